#include "replay/event_places.h"

#include <csignal>
#include <cstdint>
#ifndef SYS_USER_DISPATCH // Linux 5.11
#define SYS_USER_DISPATCH 2
#endif

namespace retrograde {

bool is_fault(const Event &event) {
    const auto code = static_cast<std::int64_t>(event.args[0]);
    return code > 0 && (event.nr == SIGSEGV || event.nr == SIGBUS || event.nr == SIGILL || event.nr == SIGFPE ||
                        event.nr == SIGTRAP);
}

bool happens_at_place(const Event &event) {
    if (!event.segment(RG_SEG_REGISTERS))
        return false;
    if (event.kind == RG_SIGNAL)
        return !is_fault(event) && !(event.nr == SIGSYS && event.args[0] == SYS_USER_DISPATCH);
    return event.kind == RG_SWITCH;
}

Registers place_of(const Event &event) {
    return parse_registers(event.segment(RG_SEG_REGISTERS)->bytes, Registers{});
}

bool happens_anywhere(const Event &event) {
    switch (event.kind) {
    case RG_SYSCALL:
    case RG_ENTER:
    case RG_EXEC:
    case RG_START:
    case RG_TRAP:
    case RG_WRITTEN:
        return false;
    case RG_SIGNAL:
        return !event.segment(RG_SEG_REGISTERS); // SIGKILL
    case RG_SWITCH:
        return event.args[2] != 1 && !event.segment(RG_SEG_REGISTERS);
    default:
        return true;
    }
}

} // namespace retrograde
