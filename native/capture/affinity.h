// sched_getaffinity of a recorded command: it shows the CPUs that the command would have if its threads did not share
// one.
#pragma once

#include "wire.h"

#include <sched.h>

namespace retrograde {

// Whether this is such a call, and has told of CPUs.
bool is_affinity(const rg_event &call);

// Puts these CPUs where it has told of others; its thread is stopped.
void write_affinity(const rg_event &call, const cpu_set_t &cpus);

} // namespace retrograde
