// The MAPS segment of a recording: a process's memory map as text (docs/reference/recording-format.md).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <sys/types.h>
#include <vector>

namespace retrograde {

struct AddressRange {
    std::uint64_t start, end;
};

struct Mapping {
    std::uint64_t start, end;
    std::string permissions; // as in /proc/PID/maps: "r-xp"
    std::uint64_t offset;    // in the file
    std::string device;      // "major:minor"
    std::uint64_t inode;
    std::string image; // name of the recording's copy, or empty
    std::string path;

    bool is_shared() const { return permissions[3] == 's'; }
    int protection() const; // PROT_*
};

// Throws Failure where a line is none, or names an image as none is named.
std::vector<Mapping> parse_maps(std::span<const unsigned char> text);

// The memory map of a thread's process as the kernel has it now (proc(5)); without images.
std::vector<Mapping> current_maps(pid_t tid);

} // namespace retrograde
