// What retrograde-capture was asked to do.
#pragma once

#include "wire.h"

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace retrograde {

enum class Grade { observe, replay };
enum class BackendChoice { automatic, ebpf, ptrace };

inline constexpr std::size_t default_snaplen = 256;
inline constexpr std::size_t default_buffer_size = 8 << 20;
inline constexpr std::uint64_t default_checksum_interval_ns = 100'000'000;

struct Options {
    std::string output; // a folder, or "-" for the block stream on stdout
    Grade grade = Grade::observe;
    BackendChoice backend = BackendChoice::automatic;

    // Which threads: a started command's process tree, or any of the others.
    std::vector<std::string> command;
    std::string user; // name or number; the command runs as this user
    std::vector<pid_t> pids;
    std::vector<std::string> comms;
    std::vector<std::string> cgroups; // folders below /sys/fs/cgroup
    bool whole_system = false;
    std::optional<std::bitset<RG_MAX_SYSCALLS>> syscalls; // all where absent

    std::size_t snaplen = default_snaplen; // bytes of payload kept of each argument, observe grade
    std::size_t buffer_size = 0;           // bytes of ring for each CPU; 0: default_buffer_size, less with many
    std::uint64_t duration_ns = 0;         // 0: no limit
    std::uint64_t max_size = 0;            // bytes on disk, 0: no limit
    std::uint64_t last_bytes = 0;          // flight recorder: keep only the latest
    std::uint64_t last_ns = 0;
    std::string btf_file;                   // BTF of a kernel that ships none
    bool switches = false;                  // context switches, too
    std::uint64_t checksum_interval_ns = 0; // between checksums of a process's memory, replay grade; 0: none
    bool quiet = false;                     // no summary at the end
};

// Parses the command line; throws Failure(exit_usage).
Options parse_options(int argc, char **argv);

} // namespace retrograde
