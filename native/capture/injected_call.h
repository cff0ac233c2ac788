// A system call that a stopped thread of the target makes for us.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <sys/types.h>

namespace retrograde {

// Lets a thread in a ptrace-stop make a call, and puts it back to where it was: it can be let go from there as before,
// without a signal. Returns the call's result, or nothing where it could not be made: the thread was killed, or there
// is no instruction to make it with.
std::optional<std::int64_t> inject_call(pid_t tid, int nr, const std::array<std::uint64_t, 5> &arguments);

} // namespace retrograde
