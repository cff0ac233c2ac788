// Puts one event with much memory together: its segments are collected in a buffer, and handed to the writer as a row
// whenever that is full.
#pragma once

#include "capture/call_memory.h"
#include "capture/event_writer.h"

#include <span>
#include <string_view>
#include <vector>

namespace retrograde {

// Memory copied at a call's start, kept until its end.
struct SavedMemory {
    std::vector<rg_segment> segments;
    std::vector<unsigned char> bytes; // of the segments, in order
};

class EventRows {
  public:
    // `buffer` is of use to one event at a time, and keeps its memory between them.
    EventRows(EventWriter &writer, std::vector<unsigned char> &buffer, const rg_event &header);

    // Copies from a stopped process. What can't be read is a segment with the flag FAULT.
    void copy(const ProcessMemory &memory, const MemoryRange &range);
    void saved(const SavedMemory &memory);
    void add(unsigned arg, unsigned flags, std::uint64_t address, std::span<const unsigned char> bytes);
    void add(unsigned arg, std::string_view text);

    // Some of the memory could not be had.
    void mark_fault() { header_.flags |= RG_FAULT; }

    // Must be called once, at the end.
    void finish() { write(false); }

  private:
    void make_room();
    void segment(const rg_segment &header, std::size_t offset);
    void piecewise(const rg_segment &whole, const unsigned char *bytes);
    void write(bool more);

    EventWriter &writer_;
    std::vector<unsigned char> &buffer_;
    rg_event header_;
    std::vector<SegmentView> segments_;
    std::size_t used_ = 0;
    bool begun_ = false;
};

} // namespace retrograde
