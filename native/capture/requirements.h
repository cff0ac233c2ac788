// What a capture needs of machine and user.
#pragma once

#include "base/failure.h"
#include "capture/options.h"

#include <sys/types.h>

namespace retrograde {

// Throws Failure(exit_cannot) that lists everything that is missing, each with its remedy. What can be tried is tried;
// no kernel version is asked for.
void require_ebpf(const Options &options);

// Why ptrace(2) could not attach to a process, with `error` as errno, and what to do about it.
Failure attach_failure(pid_t pid, int error);

} // namespace retrograde
