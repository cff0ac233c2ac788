// The events of one EVENTS block of a recording (docs/reference/recording-format.md), as rows.
#pragma once

#include "wire.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace retrograde {

// One piece of memory of an event. `bytes` live as long as the block.
struct Segment {
    std::uint8_t arg, flags;
    std::uint64_t address, full_length;
    std::span<const unsigned char> bytes;
};

struct Event {
    std::uint64_t seq;
    std::uint8_t kind, flags;
    std::uint16_t cpu;
    std::int32_t nr;
    std::uint32_t pid, tid;
    std::uint64_t enter, exit; // ns
    std::int64_t result;
    std::array<std::uint64_t, 6> args;
    std::span<const Segment> segments;

    // The first segment of this kind, or null.
    const Segment *segment(unsigned arg) const {
        for (const Segment &candidate : segments)
            if (candidate.arg == arg)
                return &candidate;
        return nullptr;
    }
};

class EventBlock {
  public:
    // `payload` is the decompressed payload. Throws Failure where it contradicts itself.
    EventBlock(std::vector<unsigned char> payload, std::uint64_t first_seq);
    EventBlock(const EventBlock &) = delete;

    const Event &operator[](std::size_t index) const { return events_[index]; }
    std::size_t size() const { return events_.size(); }
    std::uint64_t first_seq() const { return first_seq_; }

  private:
    std::vector<unsigned char> payload_;
    std::uint64_t first_seq_;
    std::vector<Segment> segments_;
    std::vector<Event> events_;
};

} // namespace retrograde
