// The jump of a breakpoint on arm64: every instruction has four bytes, and so has a branch that reaches 128 MiB.
#include "replay/jump_breakpoint.h"

#if defined(__aarch64__)

#include "base/failure.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>
#include <sys/mman.h>
#include <sys/syscall.h>

namespace retrograde {

namespace {

constexpr std::uint64_t page = 0x1000, most_page = 0x10000;
// Code, then data: on a page of its own, as emulators translate code anew where its page is written to.
constexpr std::size_t data_offset = page, pad_room = 2 * page;
constexpr std::size_t most_words = 24;
constexpr unsigned most_probed = 3, bits_probed = 20; // registers, bits
constexpr std::size_t most_code = data_offset / 4;

// Instructions, and the doublewords that they use, put together at an address (Arm ARM, C6.2).
class Code {
  public:
    explicit Code(std::uint64_t address) : address_(address) {}

    std::uint64_t here() const { return address_ + code_.size() * 4; }
    bool is_good() const { return good_ && code_.size() <= most_code && next_data() <= pad_room; }
    const std::vector<std::uint32_t> &code() const { return code_; }
    const std::vector<std::uint64_t> &data() const { return data_; }
    std::uint64_t data_address() const { return address_ + data_offset; }

    void add(std::uint32_t instruction) { code_.push_back(instruction); }
    // The offset of a new doubleword from the data's begin.
    std::uint32_t constant(std::uint64_t value) {
        data_.push_back(value);
        return static_cast<std::uint32_t>((data_.size() - 1) * 8);
    }
    // An instruction with the distance to `target` in the `bits` bits from bit `at`.
    void with_distance(std::uint32_t instruction, std::uint64_t target, unsigned bits, unsigned at) {
        const auto away = static_cast<std::int64_t>(target - here()) / 4, most = std::int64_t(1) << (bits - 1);
        good_ &= away >= -most && away < most;
        add(instruction | (static_cast<std::uint32_t>(away) & ((1u << bits) - 1)) << at);
    }
    void branch(std::uint64_t target) { with_distance(0x14000000, target, 26, 0); }
    void load_constant(unsigned reg, std::uint64_t value) { // ldr reg, data
        const std::uint64_t at = data_address() + constant(value);
        with_distance(0x58000000 | reg, at, 19, 5);
    }
    void load(unsigned reg, unsigned base, std::uint32_t offset) { // ldr reg, [base, offset]
        add(0xf9400000 | (offset / 8) << 10 | base << 5 | reg);
    }
    void store(unsigned reg, unsigned base, std::uint32_t offset) {
        add(0xf9000000 | (offset / 8) << 10 | base << 5 | reg);
    }
    // cbnz reg, to what arrives later
    std::size_t branch_if_not_zero(unsigned reg) {
        add(0xb5000000 | reg);
        return code_.size() - 1;
    }
    std::size_t branch_if_bit(unsigned reg, unsigned bit, bool is_set) { // tbnz, tbz
        add((is_set ? 0x37000000 : 0x36000000) | (bit & 32) << 26 | (bit & 31) << 19 | reg);
        return code_.size() - 1;
    }
    void arrive(std::size_t from) { code_[from] |= static_cast<std::uint32_t>(code_.size() - from) << 5; }

  private:
    std::size_t next_data() const { return data_offset + data_.size() * 8; }

    std::uint64_t address_;
    std::vector<std::uint32_t> code_;
    std::vector<std::uint64_t> data_;
    bool good_ = true;
};

std::uint64_t sign_extended(std::uint32_t instruction, unsigned at, unsigned bits) {
    const std::uint64_t value = instruction >> at & ((1u << bits) - 1), sign = 1ull << (bits - 1);
    return (value ^ sign) - sign;
}

// Carries out an instruction somewhere else than where it was. Returns false where that can't be done. `origin` gets
// the places in the pad at which the instruction is done, by where the thread is then.
bool displace(Code &code, std::uint32_t instruction, std::uint64_t place,
              std::map<std::uint64_t, std::uint64_t> &origin) {
    constexpr unsigned link = 30;
    const std::uint64_t behind = place + 4;
    const unsigned reg = instruction & 31;
    auto done = [&](std::uint64_t at) {
        origin[code.here()] = at;
        code.branch(at);
    };
    auto conditional = [&](unsigned bits) { // the distance is at bit 5
        const std::uint64_t target = place + sign_extended(instruction, 5, bits) * 4;
        code.add((instruction & ~(((1u << bits) - 1) << 5)) | 2u << 5);
        done(behind);
        done(target);
    };
    if ((instruction & 0x9f000000) == 0x10000000 || (instruction & 0x9f000000) == 0x90000000) { // adr, adrp
        std::uint64_t away = sign_extended(instruction, 5, 19) << 2 | (instruction >> 29 & 3), from = place;
        if (instruction >> 31)
            away <<= 12, from &= ~0xfffull;
        code.load_constant(reg, from + away);
    } else if ((instruction & 0xfc000000) == 0x14000000) { // b
        done(place + sign_extended(instruction, 0, 26) * 4);
        return true;
    } else if ((instruction & 0xfc000000) == 0x94000000) { // bl
        code.load_constant(link, behind);
        done(place + sign_extended(instruction, 0, 26) * 4);
        return true;
    } else if ((instruction & 0xff000000) == 0x54000000 || (instruction & 0x7e000000) == 0x34000000) { // b.cond, cbz
        conditional(19);
        return true;
    } else if ((instruction & 0x7e000000) == 0x36000000) { // tbz, tbnz
        conditional(14);
        return true;
    } else if ((instruction & 0xbf000000) == 0x18000000 || (instruction & 0xff000000) == 0x98000000) {
        // ldr, ldrsw of what lies near
        const unsigned kind = instruction >> 30;
        constexpr std::array<std::uint32_t, 3> loads{0xb9400000, 0xf9400000, 0xb9800000};
        if (reg == 31)
            return false;
        code.load_constant(reg, place + sign_extended(instruction, 5, 19) * 4);
        code.add(loads[kind] | reg << 5 | reg);
    } else if ((instruction & 0x3b000000) == 0x18000000) { // prefetches, vectors
        return false;
    } else if ((instruction & 0xfffffc1f) == 0xd63f0000) { // blr
        const unsigned to = instruction >> 5 & 31;
        if (to == link)
            return false;
        code.load_constant(link, behind);
        code.add(0xd61f0000 | to << 5); // br
        return true;
    } else if ((instruction & 0xfffffc1f) == 0xd61f0000 || (instruction & 0xfffffc1f) == 0xd65f0000) { // br, ret
        code.add(instruction);
        return true;
    } else if ((instruction & 0xfe000000) == 0xd6000000 || (instruction & 0xff000000) == 0xd4000000) {
        return false; // other branches by register, exceptions
    } else {
        code.add(instruction);
    }
    done(behind);
    return true;
}

// Whether branches by register may go to nothing but certain instructions there (proc(5), smaps: VmFlags).
bool is_guarded(pid_t process, std::uint64_t place) {
    std::ifstream maps("/proc/" + std::to_string(process) + "/smaps");
    std::string line;
    bool is_here = false;
    while (std::getline(maps, line)) {
        unsigned long start = 0, end = 0;
        if (std::sscanf(line.c_str(), "%lx-%lx ", &start, &end) == 2)
            is_here = start <= place && place < end;
        else if (is_here && line.starts_with("VmFlags:"))
            return (line + " ").find(" bt ") != std::string::npos;
    }
    return false;
}

// bti, paciasp, pacibsp
bool may_be_branched_to(std::uint32_t instruction) {
    return (instruction & 0xffffff3f) == 0xd503241f || (instruction & 0xffffffbf) == 0xd503233f;
}

// Free memory that a branch reaches in both directions.
std::optional<std::uint64_t> find_pad(pid_t process, std::uint64_t place) {
    constexpr std::uint64_t reach = 120ull << 20;
    const FreeMemory free(process, (1ull << 48) - most_page);
    auto is_free = [&](std::uint64_t start) { return free.has(start, start + most_page); };
    const std::uint64_t near = place & ~(most_page - 1);
    for (std::uint64_t away = 4 * most_page; away < reach; away += most_page) {
        if (is_free(near + away))
            return near + away;
        if (near > away && is_free(near - away))
            return near - away;
    }
    return std::nullopt;
}

} // namespace

std::optional<RepeatedString> repeated_string(std::span<const unsigned char>) {
    return std::nullopt;
}

// The pad needs a register to reach its data, and keeps the first one's value in the thread pointer, whose own value is
// known as long as no other thread runs.
std::unique_ptr<JumpBreakpoint> JumpBreakpoint::insert(Tracee &tracee, const Registers &wanted,
                                                       std::span<const WantedWord> words, std::uint64_t before,
                                                       std::uint64_t limit) {
    if (limit != 0) // not counted here: a debug register counts
        return nullptr;
    const std::uint64_t place = wanted.pc();
    std::uint32_t instruction = 0;
    if (before != place || read_memory(tracee.tid(), place, &instruction, sizeof instruction) != sizeof instruction)
        return nullptr;
    if (may_be_branched_to(instruction) && is_guarded(tracee.tid(), place))
        return nullptr;
    const std::optional<std::uint64_t> pad = find_pad(tracee.tid(), place);
    if (!pad)
        return nullptr;

    std::unique_ptr<JumpBreakpoint> made(new JumpBreakpoint);
    made->place_ = made->patched_ = place;
    made->pad_ = *pad;
    Code code(*pad);
    constexpr unsigned base = 16, other = 17, third = 15;
    const std::uint32_t save_base = code.constant(0), save_other = code.constant(0), save_third = code.constant(0);
    std::vector<std::size_t> to_out;
    // Whether `reg`, which is not `other`, has a value.
    auto compare = [&](unsigned reg, std::uint64_t value) {
        code.load(other, base, code.constant(value));
        code.add(0xca000000 | reg << 16 | other << 5 | other); // eor other, other, reg
        to_out.push_back(code.branch_if_not_zero(other));
    };
    auto restore = [&] {
        code.load(third, base, save_third);
        code.load(other, base, save_other);
        code.load(base, base, save_base);
    };
    // Most passes are told by some bits of a register that has another value, for which nothing need be kept.
    std::vector<std::size_t> to_displaced_at_once;
    const Registers now = tracee.registers();
    unsigned probed = 0;
    for (unsigned reg = 0; reg < 31 && probed < most_probed; reg++) {
        const std::uint64_t value = wanted.raw.regs[reg], other_bits = value ^ now.raw.regs[reg];
        if (other_bits == 0)
            continue;
        probed++;
        const auto lowest = static_cast<unsigned>(std::countr_zero(other_bits));
        for (unsigned bit = lowest; bit < std::min(lowest + bits_probed, 64u); bit++)
            to_displaced_at_once.push_back(code.branch_if_bit(reg, bit, !(value >> bit & 1)));
    }
    code.add(0xd51bd040 | base);                                      // msr tpidr_el0, base
    code.with_distance(0x10000000 | base, *pad + data_offset, 19, 5); // adr base, data
    code.store(other, base, save_other);                              //
    code.store(third, base, save_third);                              //
    code.add(0xd53bd040 | other);                                     // mrs other, tpidr_el0
    code.store(other, base, save_base);                               //
    code.load(other, base, code.constant(tracee.tls()));              //
    code.add(0xd51bd040 | other);                                     // msr tpidr_el0, other
    // The words are those that differ most.
    for (const WantedWord &word : words.subspan(0, std::min(words.size(), most_words))) {
        code.load(third, base, code.constant(word.address));
        code.load(third, third, 0);
        compare(third, word.value);
    }
    for (unsigned reg = 0; reg < 31; reg++)
        if (reg != base && reg != other && reg != third)
            compare(reg, wanted.raw.regs[reg]);
    code.load(third, base, save_third);
    compare(third, wanted.raw.regs[third]);
    code.load(third, base, save_other);
    compare(third, wanted.raw.regs[other]);
    code.load(third, base, save_base);
    compare(third, wanted.raw.regs[base]);
    code.add(0x91000000 | 31 << 5 | third); // mov third, sp
    compare(third, wanted.raw.sp);
    code.add(0xd53b4200 | third); // mrs third, nzcv
    compare(third, wanted.raw.pstate & 0xf0000000);
    restore();
    made->match_ = code.here();
    code.add(0xd4200000); // brk
    const std::uint64_t to_displaced = code.here();
    code.add(0);
    for (std::size_t from : to_out)
        code.arrive(from);
    restore();
    for (std::size_t from : to_displaced_at_once)
        code.arrive(from);
    made->displaced_ = code.here();
    made->origin_[code.here()] = place;
    if (!displace(code, instruction, place, made->origin_))
        return nullptr;
    made->pad_end_ = code.here();
    if (!code.is_good())
        return nullptr;
    std::vector<std::uint32_t> text = code.code();
    text[(to_displaced - *pad) / 4] = 0x14000000 | static_cast<std::uint32_t>((made->displaced_ - to_displaced) / 4);

    if (!made->map(tracee, *pad, pad_room))
        return nullptr;
    write_code(tracee, *pad, text.data(), text.size() * 4);
    write_memory(tracee.tid(), code.data_address(), code.data().data(), code.data().size() * 8);
    Code jump(place);
    jump.branch(*pad);
    made->original_.resize(sizeof instruction);
    std::memcpy(made->original_.data(), &instruction, sizeof instruction);
    if (write_code(tracee, place, jump.code().data(), sizeof instruction) == sizeof instruction)
        return made;
    made->remove(tracee);
    return nullptr;
}

bool JumpBreakpoint::was_landed_on(const Registers &) const {
    return false; // nothing else than the place is covered
}

} // namespace retrograde

#endif
