// The clock of a recording.
#pragma once

#include <cstdint>
#include <ctime>

namespace retrograde {

inline std::uint64_t read_clock_ns(clockid_t clock) {
    timespec time{};
    ::clock_gettime(clock, &time);
    return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(time.tv_nsec);
}

// CLOCK_BOOTTIME: goes on while the machine sleeps, and nobody can step it.
inline std::uint64_t now_ns() {
    return read_clock_ns(CLOCK_BOOTTIME);
}

} // namespace retrograde
