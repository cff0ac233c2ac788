// The registers of a stopped thread, as the kernel's register sets have them (ptrace(2), PTRACE_GETREGSET).
#pragma once

#include <cstdint>
#include <elf.h>
#include <sys/types.h>
#include <sys/user.h>
#include <vector>

namespace retrograde {

#if defined(__x86_64__)
using GeneralRegisters = ::user_regs_struct;
inline constexpr unsigned fp_registers = NT_X86_XSTATE;
inline std::uint64_t program_counter(const GeneralRegisters &registers) {
    return registers.rip;
}
inline std::uint64_t stack_pointer(const GeneralRegisters &registers) {
    return registers.rsp;
}
#else
using GeneralRegisters = ::user_regs_struct;
inline constexpr unsigned fp_registers = NT_PRFPREG;
inline std::uint64_t program_counter(const GeneralRegisters &registers) {
    return registers.pc;
}
inline std::uint64_t stack_pointer(const GeneralRegisters &registers) {
    return registers.sp;
}
#endif

// Empty where the thread is gone or has no such set.
std::vector<unsigned char> read_register_set(pid_t tid, unsigned set);

// False where the thread is gone, or runs a program of the other word size.
bool read_registers(pid_t tid, GeneralRegisters &registers);
bool write_registers(pid_t tid, const GeneralRegisters &registers);

} // namespace retrograde
