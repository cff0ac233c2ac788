// Answers of system calls that signals have interrupted: include/linux/errno.h; seen by tracers alone.
#pragma once

#include <cstdint>

namespace retrograde {

inline constexpr std::int64_t ERESTARTSYS = 512, ERESTART_RESTARTBLOCK = 516;

inline bool is_restart(std::int64_t result) {
    return result <= -ERESTARTSYS && result >= -ERESTART_RESTARTBLOCK;
}

} // namespace retrograde
