#include "capture/injected_call.h"

#include "capture/call_memory.h"
#include "capture/memory_map.h"
#include "capture/registers.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <vector>

namespace retrograde {

namespace {

#if defined(__x86_64__)
constexpr unsigned char call_instruction[] = {0x0f, 0x05}; // syscall
#else
constexpr unsigned char call_instruction[] = {0x01, 0x00, 0x00, 0xd4}; // svc #0
#endif

// The vDSO has such an instruction, for when its clocks cannot be read without.
std::uint64_t find_call_instruction(pid_t tid) {
    for (const Mapping &mapping : read_memory_map(tid)) {
        if (mapping.path != "[vdso]")
            continue;
        std::vector<unsigned char> code(mapping.length());
        code.resize(ProcessMemory(tid).read(mapping.start, code.data(), code.size()));
        const auto found =
            std::search(code.begin(), code.end(), std::begin(call_instruction), std::end(call_instruction));
        if (found != code.end())
            return mapping.start + static_cast<std::uint64_t>(found - code.begin());
    }
    return 0;
}

#if defined(__x86_64__)
void prepare(pid_t, GeneralRegisters &registers, std::uint64_t at, int nr,
             const std::array<std::uint64_t, 5> &arguments) {
    registers.rip = at;
    registers.rax = static_cast<std::uint64_t>(nr);
    registers.orig_rax = ~0ull; // a call that was interrupted is not begun again now
    registers.rdi = arguments[0];
    registers.rsi = arguments[1];
    registers.rdx = arguments[2];
    registers.r10 = arguments[3];
    registers.r8 = arguments[4];
}
std::int64_t result_of(const GeneralRegisters &registers) {
    return static_cast<std::int64_t>(registers.rax);
}
void begin_call_again(GeneralRegisters &registers) {
    registers.rip -= sizeof call_instruction;
    registers.rax = registers.orig_rax;
    registers.orig_rax = ~0ull;
}
#else
void set_call_number(pid_t tid, int nr) {
    iovec area{&nr, sizeof nr};
    ::ptrace(PTRACE_SETREGSET, tid, reinterpret_cast<void *>(NT_ARM_SYSTEM_CALL), &area);
}
void prepare(pid_t tid, GeneralRegisters &registers, std::uint64_t at, int nr,
             const std::array<std::uint64_t, 5> &arguments) {
    set_call_number(tid, -1); // a call that was interrupted is not begun again now
    registers.pc = at;
    registers.regs[8] = static_cast<std::uint64_t>(nr);
    std::copy(arguments.begin(), arguments.end(), registers.regs);
}
std::int64_t result_of(const GeneralRegisters &registers) {
    return static_cast<std::int64_t>(registers.regs[0]);
}
void begin_call_again(GeneralRegisters &registers) {
    registers.pc -= sizeof call_instruction;
}
#endif

// Makes one step. False where the thread did something else: it has ended.
bool step(pid_t tid) {
    constexpr int most_stops = 4; // an interrupt that was ordered before comes first, and a SIGSTOP may
    for (int stops = 0; stops < most_stops; stops++) {
        int status = 0;
        if (::ptrace(PTRACE_SINGLESTEP, tid, nullptr, nullptr) != 0)
            return false;
        pid_t stopped;
        do
            stopped = ::waitpid(tid, &status, __WALL);
        while (stopped < 0 && errno == EINTR);
        if (stopped != tid || !WIFSTOPPED(status))
            return false;
        if (status >> 16 == 0 && WSTOPSIG(status) == SIGTRAP)
            return true;
    }
    return false;
}

// Steps until the instruction there has been executed. A thread that was about to make a call leaves that first.
bool step_over(pid_t tid, std::uint64_t instruction, GeneralRegisters &registers) {
    for (int steps = 0; steps < 2; steps++) {
        if (!step(tid) || !read_registers(tid, registers))
            return false;
        if (program_counter(registers) == instruction + sizeof call_instruction)
            return true;
    }
    return false;
}

bool is_about_to_call(pid_t tid) {
    __ptrace_syscall_info info{};
    return ::ptrace(static_cast<__ptrace_request>(PTRACE_GET_SYSCALL_INFO), tid, sizeof info, &info) > 0 &&
           info.op == PTRACE_SYSCALL_INFO_ENTRY;
}

} // namespace

std::optional<std::int64_t> inject_call(pid_t tid, int nr, const std::array<std::uint64_t, 5> &arguments) {
    constexpr std::uint64_t all_but_trap = ~(1ull << (SIGTRAP - 1));
    GeneralRegisters before{}, registers{};
    std::uint64_t mask = 0, blocked = all_but_trap;
    const std::uint64_t at = read_registers(tid, before) ? find_call_instruction(tid) : 0;
    if (at == 0 || ::ptrace(PTRACE_GETSIGMASK, tid, reinterpret_cast<void *>(sizeof mask), &mask) != 0)
        return std::nullopt;
#if defined(__aarch64__)
    int call_before = -1;
    iovec area{&call_before, sizeof call_before};
    ::ptrace(PTRACE_GETREGSET, tid, reinterpret_cast<void *>(NT_ARM_SYSTEM_CALL), &area);
#endif
    registers = before;
    if (is_about_to_call(tid)) {
        begin_call_again(before);
#if defined(__aarch64__)
        call_before = -1;
#endif
    }
    prepare(tid, registers, at, nr, arguments);
    // Other signals wait: one that came now would be delivered with these registers.
    ::ptrace(PTRACE_SETSIGMASK, tid, reinterpret_cast<void *>(sizeof blocked), &blocked);
    const bool made = write_registers(tid, registers) && step_over(tid, at, registers);
    write_registers(tid, before);
#if defined(__aarch64__)
    set_call_number(tid, call_before);
#endif
    ::ptrace(PTRACE_SETSIGMASK, tid, reinterpret_cast<void *>(sizeof mask), &mask);
    if (!made)
        return std::nullopt;
    return result_of(registers);
}

} // namespace retrograde
