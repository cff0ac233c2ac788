// The memory of irregular calls: what one line of the syscall table cannot say. One owner function each.
#pragma once

#include "capture/call_memory.h"

namespace retrograde {

// Visits what the plan of the irregular call `event` leaves out.
void visit_irregular_memory(const ProcessMemory &memory, const rg_event &event, const RangeVisitor &visit);

} // namespace retrograde
