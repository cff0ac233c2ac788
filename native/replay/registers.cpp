#include "replay/registers.h"

#include "base/failure.h"
#include "base/hex.h"

#include <cstdio>
#include <cstring>
#include <vector>

namespace retrograde {

namespace {

struct Named {
    const char *name;
    std::uint64_t value;
};

#if defined(__x86_64__)
constexpr std::uint64_t not_compared_flags = resume_flag | 0x100; // TF

std::vector<Named> place_of(const Registers &r) {
    const user_regs_struct &raw = r.raw;
    return {{"rip", raw.rip}, {"rsp", raw.rsp}, {"rax", raw.rax},
            {"rbx", raw.rbx}, {"rcx", raw.rcx}, {"rdx", raw.rdx},
            {"rsi", raw.rsi}, {"rdi", raw.rdi}, {"rbp", raw.rbp},
            {"r8", raw.r8},   {"r9", raw.r9},   {"r10", raw.r10},
            {"r11", raw.r11}, {"r12", raw.r12}, {"r13", raw.r13},
            {"r14", raw.r14}, {"r15", raw.r15}, {"eflags", raw.eflags & ~not_compared_flags}};
}
#else
constexpr std::uint64_t not_compared_flags = 1u << 21 | 1u << 12; // PSTATE.SS and SSBS

std::vector<Named> place_of(const Registers &r) {
    static constexpr const char *names[31] = {
        "x0",  "x1",  "x2",  "x3",  "x4",  "x5",  "x6",  "x7",  "x8",  "x9",  "x10", "x11", "x12", "x13", "x14", "x15",
        "x16", "x17", "x18", "x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27", "x28", "x29", "x30"};
    std::vector<Named> all{{"pc", r.raw.pc}, {"sp", r.raw.sp}};
    for (std::size_t i = 0; i < 31; i++)
        all.push_back({names[i], r.raw.regs[i]});
    all.push_back({"pstate", r.raw.pstate & ~not_compared_flags});
    return all;
}
#endif

} // namespace

Registers parse_registers(std::span<const unsigned char> bytes, const Registers &rest) {
    Registers registers = rest;
    if (bytes.size() < switch_registers)
        throw Failure("the recording is damaged: registers of " + std::to_string(bytes.size()) + " bytes");
    std::memcpy(&registers.raw, bytes.data(), std::min(bytes.size(), sizeof registers.raw));
    return registers;
}

// Called for every hit of a breakpoint that looks for a place: no allocation.
bool same_place(const Registers &at, const Registers &wanted) {
#if defined(__x86_64__)
    const user_regs_struct &a = at.raw, &b = wanted.raw;
    return a.rip == b.rip && a.rsp == b.rsp && a.rax == b.rax && a.rbx == b.rbx && a.rcx == b.rcx && a.rdx == b.rdx &&
           a.rsi == b.rsi && a.rdi == b.rdi && a.rbp == b.rbp && a.r8 == b.r8 && a.r9 == b.r9 && a.r10 == b.r10 &&
           a.r11 == b.r11 && a.r12 == b.r12 && a.r13 == b.r13 && a.r14 == b.r14 && a.r15 == b.r15 &&
           ((a.eflags ^ b.eflags) & ~not_compared_flags) == 0;
#else
    return std::memcmp(at.raw.regs, wanted.raw.regs, sizeof at.raw.regs) == 0 && at.raw.sp == wanted.raw.sp &&
           at.raw.pc == wanted.raw.pc && ((at.raw.pstate ^ wanted.raw.pstate) & ~not_compared_flags) == 0;
#endif
}

Registers without_resume_flag(const Registers &registers) {
    Registers shown = registers;
#if defined(__x86_64__)
    shown.raw.eflags &= ~resume_flag;
#endif
    return shown;
}

std::string describe_difference(const Registers &at, const Registers &wanted) {
    const std::vector<Named> here = place_of(at), there = place_of(wanted);
    std::string text;
    for (std::size_t i = 0; i < here.size(); i++)
        if (here[i].value != there[i].value)
            text += std::string(text.empty() ? "" : ", ") + here[i].name + " " + hex(here[i].value) + " (recorded " +
                    hex(there[i].value) + ")";
    return text;
}

std::string describe(const Registers &registers) {
    std::string text;
    std::size_t on_line = 0;
    for (const Named &named : place_of(registers)) {
        text += std::string(on_line == 0 ? "" : "  ") + named.name + " " + hex(named.value);
        if (++on_line == 4) {
            text += '\n';
            on_line = 0;
        }
    }
    return text;
}

} // namespace retrograde
