#include "replay/debug_registers.h"

#include "base/failure.h"

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <elf.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#if defined(__aarch64__)
#include <asm/ptrace.h>
#endif

namespace retrograde {

std::vector<Breakpoint> hardware_pieces(const Breakpoint &breakpoint) {
    if (breakpoint.kind == BreakpointKind::hardware)
        return {{breakpoint.kind, breakpoint.address, 1}};
    std::vector<Breakpoint> pieces;
    std::uint64_t at = breakpoint.address, left = breakpoint.length;
    while (left > 0) {
        std::uint64_t size = 8;
        while (size > left || at % size != 0)
            size /= 2;
        pieces.push_back({breakpoint.kind, at, size});
        at += size;
        left -= size;
    }
    return pieces;
}

namespace {

[[noreturn]] void no_register() {
    throw system_failure("this machine has no debug register for a breakpoint or watchpoint", errno, exit_cannot);
}

} // namespace

#if defined(__x86_64__)

namespace {

std::size_t register_offset(std::size_t number) {
    return offsetof(struct user, u_debugreg) + number * sizeof(unsigned long);
}

} // namespace

// Intel SDM volume 3, 17.2: DR0 to DR3 hold addresses, DR7 enables them, DR6 tells which was hit.
void set_debug_registers(pid_t tid, const std::vector<Breakpoint> &pieces) {
    if (pieces.size() > most_hardware_pieces)
        no_register();
    unsigned long control = 0;
    for (std::size_t i = 0; i < pieces.size(); i++) {
        const unsigned long access = pieces[i].kind == BreakpointKind::hardware ? 0
                                     : pieces[i].kind == BreakpointKind::write  ? 1
                                                                                : 3;
        const unsigned long length = pieces[i].length == 8 ? 2 : pieces[i].length - 1;
        control |= 1ul << (2 * i) | access << (16 + 4 * i) | length << (18 + 4 * i);
    }
    // An enabled register whose address changes may not fit its length for a moment.
    if (::ptrace(PTRACE_POKEUSER, tid, register_offset(7), 0ul) != 0)
        no_register();
    for (std::size_t i = 0; i < pieces.size(); i++)
        if (::ptrace(PTRACE_POKEUSER, tid, register_offset(i), pieces[i].address) != 0)
            no_register();
    ::ptrace(PTRACE_POKEUSER, tid, register_offset(6), 0ul);
    if (control && ::ptrace(PTRACE_POKEUSER, tid, register_offset(7), control) != 0)
        no_register();
}

std::vector<Breakpoint> hit_debug_registers(pid_t tid, const std::vector<Breakpoint> &pieces) {
    if (pieces.empty())
        return {};
    const long status = ::ptrace(PTRACE_PEEKUSER, tid, register_offset(6), nullptr);
    std::vector<Breakpoint> hits;
    for (std::size_t i = 0; i < pieces.size() && i < most_hardware_pieces; i++)
        if (status >> i & 1)
            hits.push_back(pieces[i]);
    return hits;
}

void forget_hits(pid_t tid) {
    ::ptrace(PTRACE_POKEUSER, tid, register_offset(6), 0ul);
}

// The kernel takes a trap that DR6 says nothing of for INT1's, and one with an old BS in it for a step's
// (arch/x86/kernel/traps.c: exc_debug_user, get_si_code).
std::vector<Breakpoint> likely_hit(pid_t tid, const std::vector<Breakpoint> &pieces, const Registers &registers) {
    constexpr std::uint64_t trap_flag = 1 << 8;
    const bool steps_itself = registers.raw.eflags & trap_flag;
    siginfo_t info{};
    if (pieces.empty() || ::ptrace(PTRACE_GETSIGINFO, tid, nullptr, &info) != 0 || info.si_signo != SIGTRAP ||
        (info.si_code != TRAP_BRKPT && (info.si_code != TRAP_TRACE || steps_itself)))
        return {};
    // A breakpoint stops before its instruction; where none is here it was an access, whichever.
    std::vector<Breakpoint> watched;
    for (const Breakpoint &piece : pieces) {
        if (piece.kind != BreakpointKind::hardware)
            watched.push_back(piece);
        else if (piece.address == registers.pc())
            return {piece};
    }
    return watched;
}

#else

namespace {

constexpr std::uint32_t enabled = 1, user = 2 << 1; // DBGBCR_EL1, DBGWCR_EL1: E, PMC/PAC of EL0

void set_kind(pid_t tid, int regset, const std::vector<std::pair<std::uint64_t, std::uint32_t>> &wanted) {
    user_hwdebug_state state{};
    iovec view{&state, sizeof state};
    if (::ptrace(PTRACE_GETREGSET, tid, regset, &view) != 0) {
        if (wanted.empty())
            return;
        no_register();
    }
    const std::size_t present = state.dbg_info & 0xff;
    if (wanted.size() > present)
        no_register();
    std::size_t count = wanted.size(); // and those that are in use
    for (std::size_t i = 0; i < present; i++)
        if (state.dbg_regs[i].ctrl & enabled)
            count = std::max(count, i + 1);
    for (std::size_t i = 0; i < count; i++) {
        state.dbg_regs[i].addr = i < wanted.size() ? wanted[i].first : 0;
        state.dbg_regs[i].ctrl = i < wanted.size() ? wanted[i].second : 0;
    }
    if (count == 0)
        return;
    view.iov_len = offsetof(user_hwdebug_state, dbg_regs) + count * sizeof state.dbg_regs[0];
    if (::ptrace(PTRACE_SETREGSET, tid, regset, &view) != 0 && !wanted.empty())
        no_register();
}

} // namespace

// Arm ARM D17.3 (DBGBCR_EL1, DBGWCR_EL1): BAS selects bytes of an aligned doubleword, LSC loads and stores.
void set_debug_registers(pid_t tid, const std::vector<Breakpoint> &pieces) {
    std::vector<std::pair<std::uint64_t, std::uint32_t>> code, data;
    for (const Breakpoint &piece : pieces) {
        if (piece.kind == BreakpointKind::hardware) {
            code.emplace_back(piece.address, 0xfu << 5 | user | enabled);
            continue;
        }
        const std::uint32_t bytes = ((1u << piece.length) - 1) << (piece.address & 7);
        const std::uint32_t access = piece.kind == BreakpointKind::write  ? 2
                                     : piece.kind == BreakpointKind::read ? 1
                                                                          : 3;
        data.emplace_back(piece.address & ~7ull, bytes << 5 | access << 3 | user | enabled);
    }
    set_kind(tid, NT_ARM_HW_BREAK, code);
    set_kind(tid, NT_ARM_HW_WATCH, data);
}

std::vector<Breakpoint> hit_debug_registers(pid_t tid, const std::vector<Breakpoint> &pieces) {
    siginfo_t info{};
    if (pieces.empty() || ::ptrace(PTRACE_GETSIGINFO, tid, nullptr, &info) != 0 || info.si_signo != SIGTRAP ||
        info.si_code != TRAP_HWBKPT)
        return {};
    const auto address = reinterpret_cast<std::uint64_t>(info.si_addr);
    // The address of an access may be its begin, far before what is watched (Arm ARM D2.10.5); the kernel, too, takes
    // the nearest (arch/arm64/kernel/hw_breakpoint.c: watchpoint_handler).
    const Breakpoint *nearest = nullptr;
    std::uint64_t least = ~0ull;
    for (const Breakpoint &piece : pieces) {
        if (piece.kind == BreakpointKind::hardware) {
            if (address == piece.address)
                return {piece};
            continue;
        }
        const std::uint64_t end = piece.address + piece.length;
        const std::uint64_t away = address < piece.address ? piece.address - address
                                   : address < end         ? 0
                                                           : address - end + 1;
        if (away < least)
            least = away, nearest = &piece;
    }
    if (nearest)
        return {*nearest};
    return {};
}

std::vector<Breakpoint> likely_hit(pid_t, const std::vector<Breakpoint> &, const Registers &) {
    return {};
}

void forget_hits(pid_t) {} // the next stop has its own siginfo

#endif

} // namespace retrograde
