// What a capture with eBPF needs of machine and user.
#pragma once

#include "capture/options.h"

namespace retrograde {

// Throws Failure(exit_cannot) that lists everything that is missing, each with its remedy. What can be tried is tried;
// no kernel version is asked for.
void require_ebpf(const Options &options);

} // namespace retrograde
