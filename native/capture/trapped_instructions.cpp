#include "capture/trapped_instructions.h"

#include "capture/call_memory.h"
#include "capture/injected_call.h"
#include "capture/registers.h"

#include <cstring>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace retrograde {

namespace {

constexpr std::size_t longest_instruction = 15;

#if defined(__x86_64__)
constexpr std::uint16_t user_code_64 = 0x33; // arch/x86/include/asm/segment.h: __USER_CS

bool is_prefix(unsigned char byte) {
    return (byte & 0xf0) == 0x40 || std::memchr("\x66\x67\x2e\x36\x3e\x26\x64\x65\xf0\xf2\xf3", byte, 11) != nullptr;
}

// Changes the registers as the instruction would. Returns which it was, or nothing.
std::optional<rg_trap> carry_out(pid_t tid, const ProcessMemory &memory, GeneralRegisters &registers) {
    unsigned char code[longest_instruction];
    const std::size_t got = memory.read(registers.rip, code, sizeof code);
    std::size_t at = 0;
    if (registers.cs != user_code_64)
        return std::nullopt;
    while (at < got && is_prefix(code[at]))
        at++;
    const bool is_rdtsc = at + 2 <= got && std::memcmp(code + at, "\x0f\x31", 2) == 0;
    const bool is_rdtscp = at + 3 <= got && std::memcmp(code + at, "\x0f\x01\xf9", 3) == 0;
    if (!is_rdtsc && !is_rdtscp)
        return std::nullopt;
    const std::uint64_t counter = __rdtsc();
    registers.rax = counter & 0xffffffff;
    registers.rdx = counter >> 32;
    if (is_rdtscp)
        registers.rcx = processor_number(tid);
    registers.rip += at + (is_rdtsc ? 2 : 3);
    return is_rdtsc ? RG_TRAP_RDTSC : RG_TRAP_RDTSCP;
}
#else
std::optional<rg_trap> carry_out(pid_t, const ProcessMemory &memory, GeneralRegisters &registers) {
    constexpr std::uint32_t mrs_cntvct = 0xd53be040, mrs_cntvctss = 0xd53be0c0, without_register = ~0x1fu;
    std::uint32_t code = 0;
    if (!memory.get(registers.pc, code) ||
        ((code & without_register) != mrs_cntvct && (code & without_register) != mrs_cntvctss))
        return std::nullopt;
    std::uint64_t counter;
    asm volatile("isb\n\tmrs %0, cntvct_el0" : "=r"(counter));
    if ((code & 0x1f) != 31)
        registers.regs[code & 0x1f] = counter;
    registers.pc += 4;
    return RG_TRAP_CNTVCT;
}
#endif

} // namespace

void trap_instructions() {
#if defined(PR_SET_TSC) && defined(PR_TSC_SIGSEGV)
    ::prctl(PR_SET_TSC, PR_TSC_SIGSEGV, 0, 0, our_prctl); // arm64: Linux 6.12
#endif
}

void stop_trapping(pid_t tid) {
#if defined(PR_SET_TSC) && defined(PR_TSC_ENABLE)
    inject_call(tid, SYS_prctl, {PR_SET_TSC, PR_TSC_ENABLE, 0, 0, our_prctl});
#endif
}

unsigned processor_number(pid_t tid) {
    unsigned number = 0, node = 0;
    ::getcpu(&number, &node);
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    if (::sched_getaffinity(tid, sizeof allowed, &allowed) == 0)
        for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++)
            if (CPU_ISSET(cpu, &allowed)) {
                number = cpu;
                break;
            }
    return node << 12 | number; // arch/x86/include/asm/segment.h: vdso_encode_cpunode
}

std::optional<rg_trap> carry_out_counter(pid_t tid, GeneralRegisters &registers) {
    return carry_out(tid, ProcessMemory(tid), registers);
}

} // namespace retrograde
