// The events of a recording's folder, by number. For replay: anything missing or damaged ends the stream, and says so.
#pragma once

#include "base/unique_fd.h"
#include "recording/event_block.h"

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <vector>

namespace retrograde {

class EventStream {
  public:
    // Reads the block headers of all files in `folder`. Throws Failure where there is no recording, one of a newer
    // format, or one whose beginning is gone (a flight recorder's).
    explicit EventStream(const std::string &folder);

    std::uint64_t size() const { return size_; } // events
    // Valid until another event of a distant block is asked for. Throws Failure where the block is damaged.
    const Event &operator[](std::uint64_t seq);

    // The text of the INFO and the END block; empty where there is none.
    const std::string &info() const { return info_; }
    const std::string &end() const { return end_; }
    // Why the stream is not whole, or nothing.
    const std::string &damage() const { return damage_; }
    const std::string &folder() const { return folder_; }

  private:
    struct Place {
        std::size_t file;
        std::uint64_t offset; // of the payload
        std::uint32_t stored_length, raw_length, crc;
        std::uint8_t codec;
        std::uint64_t first_seq;
        std::uint32_t count;
    };
    void scan(std::size_t file);
    std::vector<unsigned char> payload(const Place &place) const;
    std::shared_ptr<EventBlock> block_of(std::uint64_t seq);

    std::string folder_, info_, end_, damage_;
    std::vector<UniqueFd> files_;
    std::vector<Place> places_;
    std::uint64_t size_ = 0, next_index_ = 0;
    std::uint32_t stamp_ = 0;
    std::list<std::shared_ptr<EventBlock>> recent_; // latest first
    const EventBlock *current_ = nullptr;
};

} // namespace retrograde
