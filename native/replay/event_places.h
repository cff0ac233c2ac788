// Where a thread has to be for an event to happen.
#pragma once

#include "recording/event_stream.h"
#include "replay/registers.h"

namespace retrograde {

// A signal that the kernel raises because of what the instruction at the program counter does.
bool is_fault(const Event &event);
// At an instruction that only registers and memory tell: a signal that came from elsewhere, or a thread switch.
bool happens_at_place(const Event &event);
// The registers there, of an event that has them.
Registers place_of(const Event &event);
// The thread need not be anywhere for it.
bool happens_anywhere(const Event &event);

} // namespace retrograde
