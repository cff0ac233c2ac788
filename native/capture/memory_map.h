// The memory map of a process, as /proc/PID/maps has it (proc(5)).
#pragma once

#include <cstdint>
#include <string>
#include <sys/types.h>
#include <vector>

namespace retrograde {

struct Mapping {
    std::uint64_t start = 0, end = 0, offset = 0; // offset: in the file, of `start`
    std::string perms;                            // "rw-p"
    std::uint32_t major = 0, minor = 0;
    std::uint64_t inode = 0;                      // 0 where there is no file
    std::uint64_t whole_start = 0, whole_end = 0; // of the line in /proc/PID/maps that it is a part of
    std::string path;

    std::uint64_t length() const { return end - start; }
    bool has_file() const { return inode != 0; }
    bool is_readable() const { return perms[0] == 'r'; }
    bool is_writable() const { return perms[1] == 'w'; }
    bool is_shared() const { return perms[3] == 's'; }
    // In such a mapping others may write, and so may the program without our seeing what was there before.
    bool changes_unseen() const { return is_shared() && is_writable(); }
};

std::vector<Mapping> read_memory_map(pid_t pid);

// The parts of the map that lie in [start, end).
std::vector<Mapping> cut_to(std::vector<Mapping> map, std::uint64_t start, std::uint64_t end);

// A line of the recording's segment MAPS: the name of the image, or "-", stands before the path.
std::string maps_line(const Mapping &mapping, const std::string &image);

} // namespace retrograde
