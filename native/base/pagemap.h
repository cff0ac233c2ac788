// What a process has at its pages: /proc/PID/pagemap (Documentation/admin-guide/mm/pagemap.rst).
#pragma once

#include "base/unique_fd.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <fcntl.h>
#include <string>
#include <sys/types.h>
#include <unistd.h>
#include <vector>

namespace retrograde {

struct PageState {
    bool is_there;   // in memory or swapped out
    bool is_of_file; // or of shared memory
};

// Calls visit(address, PageState) for each page of a range, in order. Returns false where that can't be read, or not to
// the end.
template <typename Visit> bool visit_pages(pid_t pid, std::uint64_t start, std::uint64_t end, Visit visit) {
    constexpr std::uint64_t present_or_swapped = 3ull << 62, of_file = 1ull << 61;
    constexpr std::size_t at_once = 8192;
    const auto page_size = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    const UniqueFd pages(::open(("/proc/" + std::to_string(pid) + "/pagemap").c_str(), O_RDONLY | O_CLOEXEC));
    std::vector<std::uint64_t> entries(std::min<std::size_t>(at_once, (end - start) / page_size));
    for (std::uint64_t at = start; at < end;) {
        const std::size_t wanted = std::min<std::size_t>(at_once, (end - at) / page_size);
        const ssize_t got = ::pread(pages.get(), entries.data(), wanted * sizeof entries[0],
                                    static_cast<off_t>(at / page_size * sizeof entries[0]));
        if (got != static_cast<ssize_t>(wanted * sizeof entries[0]))
            return false;
        for (std::size_t i = 0; i < wanted; i++, at += page_size)
            visit(at, PageState{(entries[i] & present_or_swapped) != 0, (entries[i] & of_file) != 0});
    }
    return true;
}

} // namespace retrograde
