// Where the block stream goes: the files of a recording's folder, or a pipe.
#pragma once

#include "base/unique_fd.h"
#include "capture/options.h"

#include <cstdint>
#include <deque>
#include <span>
#include <string>

namespace retrograde {

// A flight recorder begins a new file with each such part of what it is to keep; all but that are always there.
inline constexpr std::uint64_t rotated_parts = 8;

// Version of the format (docs/reference/recording-format.md).
inline constexpr std::uint16_t stream_version = 2;

class StreamOutput {
  public:
    // Creates the folder (0700, must not exist or be empty) and its first file, or takes stdout. Throws Failure.
    explicit StreamOutput(const Options &options);

    // Appends whole blocks; throws Failure, naming the path, when the disk is full.
    void write(std::span<const unsigned char> header, std::span<const unsigned char> payload);

    // Flight recorder: whether a new file is due; open it, and drop the files that are older than asked for.
    bool rotation_due(std::uint64_t now) const;
    void rotate(std::uint64_t now);

    // Marks the recording complete: info.json, and `incomplete` goes.
    void complete(const std::string &end_json);

    // Removes the folder: a capture that never began leaves nothing behind.
    void discard();

    bool is_pipe() const { return folder_.empty(); }
    const std::string &folder() const { return folder_; }
    std::uint64_t bytes() const { return bytes_; }
    // A random number: the same in the headers of all files and blocks of this recording, and in no other's.
    std::uint32_t stamp() const { return stamp_; }

  private:
    void open_file(std::uint64_t now);
    void write_stream_header(const std::string &where);
    std::string file_name(std::uint64_t number) const;

    struct Part {
        std::uint64_t number, opened_ns, bytes;
    };
    std::string folder_;
    std::uint32_t stamp_;
    UniqueFd file_;
    std::deque<Part> parts_;
    std::uint64_t last_bytes_, last_ns_, next_part_ = 0, bytes_ = 0;
};

} // namespace retrograde
