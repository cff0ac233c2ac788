// The general registers of a thread, and what of them the calling convention of system calls uses.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <sys/user.h>

namespace retrograde {

// As the regset NT_PRSTATUS has them (ptrace(2)).
struct Registers {
    user_regs_struct raw{};

#if defined(__x86_64__)
    std::uint64_t pc() const {
        return raw.rip;
    }
    void set_pc(std::uint64_t pc) {
        raw.rip = pc;
    }
    std::uint64_t sp() const {
        return raw.rsp;
    }
    void set_sp(std::uint64_t sp) {
        raw.rsp = sp;
    }
    std::int64_t result() const {
        return static_cast<std::int64_t>(raw.rax);
    }
    // At a stop before a system call:
    int call() const {
        return static_cast<int>(raw.orig_rax);
    }
    std::array<std::uint64_t, 6> call_arguments() const {
        return {raw.rdi, raw.rsi, raw.rdx, raw.r10, raw.r8, raw.r9};
    }
    void set_result(std::int64_t result) {
        raw.rax = static_cast<std::uint64_t>(result);
        raw.orig_rax = ~0ull; // no system call is to be restarted
    }
    void prepare_call(int nr, const std::array<std::uint64_t, 6> &args) {
        raw.rax = static_cast<std::uint64_t>(nr);
        raw.orig_rax = ~0ull;
        raw.rdi = args[0], raw.rsi = args[1], raw.rdx = args[2], raw.r10 = args[3], raw.r8 = args[4], raw.r9 = args[5];
    }
#else
    std::uint64_t pc() const {
        return raw.pc;
    }
    void set_pc(std::uint64_t pc) {
        raw.pc = pc;
    }
    std::uint64_t sp() const {
        return raw.sp;
    }
    void set_sp(std::uint64_t sp) {
        raw.sp = sp;
    }
    std::int64_t result() const {
        return static_cast<std::int64_t>(raw.regs[0]);
    }
    int call() const {
        return static_cast<int>(raw.regs[8]);
    }
    std::array<std::uint64_t, 6> call_arguments() const {
        return {raw.regs[0], raw.regs[1], raw.regs[2], raw.regs[3], raw.regs[4], raw.regs[5]};
    }
    void set_result(std::int64_t result) {
        raw.regs[0] = static_cast<std::uint64_t>(result);
    }
    void prepare_call(int nr, const std::array<std::uint64_t, 6> &args) {
        raw.regs[8] = static_cast<std::uint64_t>(nr);
        for (std::size_t i = 0; i < 6; i++)
            raw.regs[i] = args[i];
    }
#endif
};

// The length of a system call instruction, and of the instruction of a software breakpoint.
#if defined(__x86_64__)
inline constexpr std::size_t call_length = 2;
inline constexpr std::array<unsigned char, 1> breakpoint_code{0xcc};
inline constexpr std::uint64_t breakpoint_advance = 1; // of pc where it traps
inline constexpr std::uint64_t stack_red_zone = 128;   // System V ABI, AMD64 supplement, 3.2.2
inline constexpr int nr_restart_syscall = 219;
inline constexpr std::uint64_t resume_flag = 1 << 16;   // RF of eflags
inline constexpr std::size_t switch_registers = 21 * 8; // of a SWITCH row: struct pt_regs
#else
inline constexpr std::size_t call_length = 4;
inline constexpr std::array<unsigned char, 4> breakpoint_code{0x00, 0x00, 0x20, 0xd4};
inline constexpr std::uint64_t breakpoint_advance = 0;
inline constexpr std::uint64_t stack_red_zone = 0;
inline constexpr int nr_restart_syscall = 128;
inline constexpr std::size_t switch_registers = 34 * 8;
#endif

// Takes what a recording holds; it may be shorter than the whole regset. Throws Failure where it is too short.
Registers parse_registers(std::span<const unsigned char> bytes, const Registers &rest);

// Whether a thread with the registers `at` is where a recorded thread with `wanted` was. What the kernel or a debugger
// changes is not compared: the resume and trap flags, the number of the last call, segment bases.
bool same_place(const Registers &at, const Registers &wanted);

// Without x86-64's resume flag, which only tells how the thread was stopped.
Registers without_resume_flag(const Registers &registers);

// The registers that differ, for people: "rax 0x1 (recorded 0x2)".
std::string describe_difference(const Registers &at, const Registers &wanted);
// All of them, some a line.
std::string describe(const Registers &registers);

} // namespace retrograde
