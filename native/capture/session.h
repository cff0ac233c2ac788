// A capture from its start to its end.
#pragma once

#include "capture/options.h"

namespace retrograde {

// Captures as asked; returns the exit code. Throws Failure.
int run_session(const Options &options);

} // namespace retrograde
