// Hardware breakpoints and watchpoints of a thread.
#pragma once

#include "replay/registers.h"

#include <cstdint>
#include <optional>
#include <sys/types.h>
#include <vector>

namespace retrograde {

// Numbered as gdb's packets Z0 to Z4 have them.
enum class BreakpointKind { software = 0, hardware = 1, write = 2, read = 3, access = 4 };

struct Breakpoint {
    BreakpointKind kind;
    std::uint64_t address;
    std::uint64_t length; // bytes watched
    bool operator==(const Breakpoint &) const = default;
};

inline bool is_watchpoint(const Breakpoint &breakpoint) {
    return breakpoint.kind != BreakpointKind::software && breakpoint.kind != BreakpointKind::hardware;
}

// The aligned pieces that hardware can watch; reads can't be watched alone on x86-64, which watches accesses.
std::vector<Breakpoint> hardware_pieces(const Breakpoint &breakpoint);
inline constexpr std::size_t most_hardware_pieces = 4;

// Sets them all, and nothing else, in a stopped thread. Throws Failure where the machine has no (or fewer) such
// registers.
void set_debug_registers(pid_t tid, const std::vector<Breakpoint> &pieces);

// Whether what watches stops a thread before the access, which is still to be made.
#if defined(__aarch64__)
inline constexpr bool is_access_to_come = true;
#else
inline constexpr bool is_access_to_come = false;
#endif

// Which of the pieces the thread has just been stopped by. An instruction may write to what is watched and be followed
// by a breakpoint.
std::vector<Breakpoint> hit_debug_registers(pid_t tid, const std::vector<Breakpoint> &pieces);
// The same for a thread that was not stepped, where that says nothing: the piece that it was likely stopped by at this
// place, or those that it may have been. Some virtual machines lose now and then what x86-64's DR6 tells.
std::vector<Breakpoint> likely_hit(pid_t tid, const std::vector<Breakpoint> &pieces, const Registers &registers);
// So that a later stop is not taken for theirs.
void forget_hits(pid_t tid);

} // namespace retrograde
