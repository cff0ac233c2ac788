// The jump of a breakpoint on x86-64: longer than most instructions, and so over several.
#include "replay/jump_breakpoint.h"

#if defined(__x86_64__)

#include "base/failure.h"
#include "code/vector_instruction.h"

#include <algorithm>
#include <array>
#include <capstone/capstone.h>
#include <cstring>
#include <optional>
#include <string>
#include <sys/mman.h>
#include <sys/syscall.h>

namespace retrograde {

namespace {

constexpr std::size_t jump_length = 5;
constexpr std::uint64_t page = 0x1000;
constexpr std::size_t data_offset = 0x6000, pad_room = 0x8000; // of the pad: code, then data
constexpr std::size_t most_words = 900;

// No instruction begins with these in 64-bit mode, and 0xcc traps (Intel SDM volume 2, appendix A).
constexpr std::array<unsigned char, 16> traps{0xcc, 0x06, 0x07, 0x0e, 0x16, 0x17, 0x1e, 0x1f,
                                              0x27, 0x2f, 0x37, 0x3f, 0x60, 0x61, 0xce, 0xea};
bool is_trap_byte(unsigned char byte) {
    return std::find(traps.begin(), traps.end(), byte) != traps.end();
}

struct Instruction {
    std::uint64_t address;
    std::vector<unsigned char> bytes;
    unsigned id;
    bool is_relative_jump = false, is_call = false, ends_block = false;
    std::uint64_t target = 0;
    std::optional<std::size_t> displacement_at; // of a rip-relative operand
};

class Decoder {
  public:
    Decoder() {
        is_open_ = ::cs_open(CS_ARCH_X86, CS_MODE_64, &handle_) == CS_ERR_OK;
        if (is_open_)
            ::cs_option(handle_, CS_OPT_DETAIL, CS_OPT_ON);
    }
    Decoder(const Decoder &) = delete;
    ~Decoder() {
        if (is_open_)
            ::cs_close(&handle_);
    }

    // The instructions that a jump at `address` covers, or all up to `end` where that is not 0; nothing where one of
    // them can't be carried out elsewhere.
    std::vector<Instruction> covered(std::span<const unsigned char> bytes, std::uint64_t address,
                                     std::uint64_t end) const;

  private:
    std::optional<Instruction> decode(const cs_insn &insn) const;

    csh handle_ = 0;
    bool is_open_ = false;
};

std::optional<Instruction> Decoder::decode(const cs_insn &insn) const {
    Instruction found{insn.address, {insn.bytes, insn.bytes + insn.size}, insn.id};
    const cs_x86 &x86 = insn.detail->x86;
    const bool immediate = x86.op_count == 1 && x86.operands[0].type == X86_OP_IMM;
    if (::cs_insn_group(handle_, &insn, CS_GRP_INT) || ::cs_insn_group(handle_, &insn, CS_GRP_PRIVILEGE))
        return std::nullopt; // syscall, int: the kernel looks at the program counter
    switch (insn.id) {
    case X86_INS_LOOP:
    case X86_INS_LOOPE:
    case X86_INS_LOOPNE:
    case X86_INS_JRCXZ:
    case X86_INS_JECXZ:
    case X86_INS_JCXZ:
    case X86_INS_XBEGIN:
    case X86_INS_UD2: // an instruction that is carried out for the program, whose last byte follows
    case X86_INS_RDTSC:
    case X86_INS_RDTSCP:
    case X86_INS_SYSCALL:
    case X86_INS_CPUID:
        return std::nullopt;
    case X86_INS_CALL:
        if (!immediate)
            return std::nullopt;
        found.is_call = found.is_relative_jump = found.ends_block = true;
        found.target = static_cast<std::uint64_t>(x86.operands[0].imm);
        return found;
    case X86_INS_RET:
        found.ends_block = true;
        return found;
    case X86_INS_JMP:
        found.ends_block = true;
        break;
    default:
        break;
    }
    if (::cs_insn_group(handle_, &insn, CS_GRP_JUMP) && immediate) {
        const unsigned char first = insn.bytes[0];
        const bool is_plain = first == 0xeb || first == 0xe9 || (first & 0xf0) == 0x70 || first == 0x0f;
        if (!is_plain) // a prefix
            return std::nullopt;
        found.is_relative_jump = true;
        found.target = static_cast<std::uint64_t>(x86.operands[0].imm);
        return found;
    }
    for (unsigned i = 0; i < x86.op_count; i++)
        if (x86.operands[i].type == X86_OP_MEM && x86.operands[i].mem.base == X86_REG_RIP) {
            if (x86.encoding.disp_size != 4)
                return std::nullopt;
            found.displacement_at = x86.encoding.disp_offset;
        }
    return found;
}

std::optional<Instruction> decode_vector(std::span<const unsigned char> bytes, std::uint64_t address) {
    const std::optional<VectorInstruction> measured = measure_vector_instruction(bytes);
    if (!measured)
        return std::nullopt;
    Instruction found{address, {}, 0};
    found.bytes.assign(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(measured->length));
    found.displacement_at = measured->displacement_at;
    return found;
}

std::vector<Instruction> Decoder::covered(std::span<const unsigned char> bytes, std::uint64_t address,
                                          std::uint64_t end) const {
    std::vector<Instruction> found;
    const std::size_t enough = end != 0 ? end - address : jump_length;
    std::size_t length = 0;
    bool has_ended = false;
    while (is_open_ && length < enough && length < bytes.size()) {
        // Behind a jump or return nobody comes to what fills up to the next aligned address; to all else, somebody may.
        has_ended |= !found.empty() && found.back().ends_block;
        if (has_ended && bytes[length] == 0xcc) { // int3
            found.push_back({address + length, {bytes[length]}, X86_INS_INT3});
            length++;
            continue;
        }
        std::optional<Instruction> next = decode_vector(bytes.subspan(length), address + length);
        cs_insn *insn = nullptr;
        if (!next &&
            ::cs_disasm(handle_, bytes.data() + length, bytes.size() - length, address + length, 1, &insn) == 1) {
            next = decode(*insn);
            ::cs_free(insn, 1);
        }
        if (!next || (has_ended && next->id != X86_INS_NOP))
            return {};
        length += next->bytes.size();
        found.push_back(std::move(*next));
    }
    const bool is_right = length >= jump_length && (end == 0 ? length >= enough : length == enough);
    return is_right ? found : std::vector<Instruction>();
}

// Machine code that is put together at an address.
class Code {
  public:
    explicit Code(std::uint64_t address) : address_(address) {}

    std::uint64_t here() const { return address_ + bytes_.size(); }
    const std::vector<unsigned char> &bytes() const { return bytes_; }
    bool is_good() const { return good_; }
    void add(std::initializer_list<unsigned char> bytes) { bytes_.insert(bytes_.end(), bytes); }
    void add(std::span<const unsigned char> bytes) { bytes_.insert(bytes_.end(), bytes.begin(), bytes.end()); }
    // Four bytes: how far `target` is from behind them.
    void distance(std::uint64_t target) {
        const auto away = static_cast<std::int64_t>(target - (here() + 4));
        good_ &= away == static_cast<std::int32_t>(away);
        value(static_cast<std::uint32_t>(away));
    }
    void value(std::uint32_t word) {
        for (int i = 0; i < 4; i++)
            bytes_.push_back(static_cast<unsigned char>(word >> (8 * i)));
    }
    // A distance whose target comes later.
    std::size_t distance_to_come() {
        value(0);
        return bytes_.size();
    }
    void arrive(std::size_t from) {
        const auto away = static_cast<std::uint32_t>(bytes_.size() - from);
        std::memcpy(bytes_.data() + from - 4, &away, 4);
    }

  private:
    std::uint64_t address_;
    std::vector<unsigned char> bytes_;
    bool good_ = true;
};

// Carries out an instruction somewhere else than where it was.
void displace(Code &code, const Instruction &instruction, std::uint64_t &next_constant,
              std::vector<std::pair<std::uint64_t, std::uint64_t>> &constants) {
    const std::uint64_t behind = instruction.address + instruction.bytes.size();
    if (instruction.is_call) {
        // The return address is the original one.
        constants.emplace_back(next_constant, behind);
        code.add({0xff, 0x35}); // push [constant]
        code.distance(next_constant);
        next_constant += 8;
        code.add({0xe9}); // jmp
        code.distance(instruction.target);
    } else if (instruction.is_relative_jump) {
        if (instruction.id == X86_INS_JMP) {
            code.add({0xe9});
        } else {
            const unsigned char opcode = instruction.bytes[0] == 0x0f ? instruction.bytes[1] : instruction.bytes[0];
            code.add({0x0f, static_cast<unsigned char>(0x80 | (opcode & 0x0f))});
        }
        code.distance(instruction.target);
    } else if (instruction.displacement_at) {
        std::vector<unsigned char> bytes = instruction.bytes;
        std::int32_t displacement;
        std::memcpy(&displacement, bytes.data() + *instruction.displacement_at, 4);
        const std::uint64_t target = behind + static_cast<std::uint64_t>(static_cast<std::int64_t>(displacement));
        const auto away = static_cast<std::int64_t>(target - (code.here() + bytes.size()));
        const auto moved = static_cast<std::int32_t>(away);
        std::memcpy(bytes.data() + *instruction.displacement_at, &moved, 4);
        code.add(bytes);
        if (moved != away)
            code.distance(~0ull / 2); // too far: this makes the code no good
    } else {
        code.add(instruction.bytes);
    }
}

// Where the pad can lie: free memory, at a distance whose bytes are traps where covered instructions begin.
std::optional<std::uint64_t> find_pad(pid_t process, const std::vector<Instruction> &covered) {
    const std::uint64_t place = covered.front().address, from = place + jump_length;
    std::array<bool, 4> begins{};
    for (const Instruction &instruction : covered)
        if (const std::uint64_t at = instruction.address - place; at >= 1 && at <= 4)
            begins[at - 1] = true;
    const std::uint32_t low = 0x0606; // traps, should instructions begin there
    const FreeMemory free(process, (1ull << 47) - page);
    for (int high = -0x7f00; high < 0x7f00; high++) {
        const auto bits = static_cast<std::uint16_t>(high);
        if ((begins[2] && !is_trap_byte(static_cast<unsigned char>(bits & 0xff))) ||
            (begins[3] && !is_trap_byte(static_cast<unsigned char>(bits >> 8))))
            continue;
        const std::uint64_t pad = from + static_cast<std::uint64_t>(static_cast<std::int64_t>(high) * 0x10000) + low;
        if (free.has(pad & ~(page - 1), ((pad + pad_room) | (page - 1)) + 1))
            return pad;
    }
    return std::nullopt;
}

} // namespace

// Intel SDM volume 2, REP.
std::optional<RepeatedString> repeated_string(std::span<const unsigned char> bytes) {
    bool repeats = false, wide = false, narrow = false;
    for (std::size_t at = 0; at < std::min<std::size_t>(bytes.size(), 5); at++) {
        const unsigned char byte = bytes[at];
        if (byte == 0xf2 || byte == 0xf3) {
            repeats = true;
        } else if (byte == 0x66) {
            narrow = true;
        } else if ((byte & 0xf0) == 0x40) {
            wide = byte & 0x08;
        } else if ((byte >= 0xa4 && byte <= 0xa7) || (byte >= 0xaa && byte <= 0xaf)) {
            if (!repeats)
                return std::nullopt;
            const std::uint64_t step = !(byte & 1) ? 1 : wide ? 8 : narrow ? 2 : 4;
            const unsigned operation = byte & 0xfe;
            const bool source = operation == 0xa4 || operation == 0xa6 || operation == 0xac;
            return RepeatedString{at + 1, step, source, operation != 0xac};
        } else {
            return std::nullopt;
        }
    }
    return std::nullopt;
}

std::unique_ptr<JumpBreakpoint> JumpBreakpoint::insert(Tracee &tracee, const Registers &wanted,
                                                       std::span<const WantedWord> words, std::uint64_t before,
                                                       std::uint64_t limit) {
    static const Decoder decoder;
    const bool compares_behind = before != wanted.pc();
    std::array<unsigned char, 64> bytes{};
    const std::size_t got = read_memory(tracee.tid(), before, bytes.data(), bytes.size());
    const std::vector<Instruction> covered =
        decoder.covered({bytes.data(), got}, before, compares_behind ? wanted.pc() : 0);
    if (covered.empty())
        return nullptr;
    const std::optional<std::uint64_t> pad = find_pad(tracee.tid(), covered);
    if (!pad)
        return nullptr;

    std::unique_ptr<JumpBreakpoint> made(new JumpBreakpoint);
    made->place_ = wanted.pc();
    made->patched_ = before;
    made->pad_ = *pad;
    // The data: what is saved, then what is wanted.
    const std::uint64_t data = (*pad + data_offset) & ~7ull, save_rax = data, save_flags = data + 8;
    made->counter_ = data + 16;
    std::uint64_t next_constant = data + 24;
    std::vector<std::pair<std::uint64_t, std::uint64_t>> constants;
    auto constant = [&](std::uint64_t value) {
        constants.emplace_back(next_constant, value);
        next_constant += 8;
        return next_constant - 8;
    };
    Code code(*pad);
    std::vector<std::size_t> to_out;
    auto leave_if_other = [&] {
        code.add({0x0f, 0x85}); // jne
        to_out.push_back(code.distance_to_come());
    };
    auto restore = [&] {
        code.add({0x48, 0x8b, 0x05}); // mov rax, [save_flags]
        code.distance(save_flags);
        code.add({0x04, 0x7f, 0x9e}); // add al, 127 (the overflow flag); sahf (the others)
        code.add({0x48, 0x8b, 0x05}); // mov rax, [save_rax]
        code.distance(save_rax);
    };
    const std::uint64_t behind = covered.back().address + covered.back().bytes.size();
    auto carry_out = [&] {
        made->displaced_ = code.here();
        for (const Instruction &instruction : covered) {
            made->origin_[code.here()] = instruction.address;
            displace(code, instruction, next_constant, constants);
        }
        made->origin_[code.here()] = behind;
    };
    if (compares_behind)
        carry_out();
    code.add({0x48, 0x89, 0x05}); // mov [save_rax], rax
    code.distance(save_rax);
    code.add({0x48, 0x8b, 0x05}); // mov rax, [counter]
    code.distance(made->counter_);
    code.add({0x48, 0x8d, 0x40, 0x01}); // lea rax, [rax + 1]
    code.add({0x48, 0x89, 0x05});       // mov [counter], rax
    code.distance(made->counter_);
    code.add({0x9f, 0x0f, 0x90, 0xc0}); // lahf; seto al
    code.add({0x48, 0x89, 0x05});       // mov [save_flags], rax
    code.distance(save_flags);
    if (limit != 0) {
        code.add({0x48, 0x8b, 0x05}); // mov rax, [counter]
        code.distance(made->counter_);
        code.add({0x48, 0x3b, 0x05}); // cmp rax, [limit]
        code.distance(constant(limit));
        leave_if_other();
    }
    code.add({0x48, 0x8b, 0x05}); // mov rax, [save_rax]
    code.distance(save_rax);
    const user_regs_struct &w = wanted.raw;
    const std::array<std::pair<unsigned, std::uint64_t>, 16> registers{{{0, w.rax},
                                                                        {1, w.rcx},
                                                                        {2, w.rdx},
                                                                        {6, w.rsi},
                                                                        {7, w.rdi},
                                                                        {8, w.r8},
                                                                        {9, w.r9},
                                                                        {10, w.r10},
                                                                        {11, w.r11},
                                                                        {3, w.rbx},
                                                                        {5, w.rbp},
                                                                        {12, w.r12},
                                                                        {13, w.r13},
                                                                        {14, w.r14},
                                                                        {15, w.r15},
                                                                        {4, w.rsp}}};
    const bool is_repeated = repeated_string(std::span(bytes).subspan(wanted.pc() - before)).has_value();
    for (const auto &[number, value] : registers) {
        if (limit != 0)
            break;
        if (is_repeated && (number == 1 || number == 6 || number == 7))
            continue; // they change while the instruction is carried out
        const unsigned rex = number < 8 ? 0x48 : 0x4c, modrm = 0x05 | (number & 7) << 3;
        code.add({static_cast<unsigned char>(rex), 0x3b, static_cast<unsigned char>(modrm)}); // cmp reg, [wanted]
        code.distance(constant(value));
        leave_if_other();
    }
    for (const WantedWord &word : words.subspan(0, std::min(words.size(), most_words))) {
        code.add({0x48, 0xa1}); // mov rax, [address]
        code.value(static_cast<std::uint32_t>(word.address));
        code.value(static_cast<std::uint32_t>(word.address >> 32));
        code.add({0x48, 0x3b, 0x05}); // cmp rax, [wanted]
        code.distance(constant(word.value));
        leave_if_other();
    }
    restore();
    made->match_ = code.here();
    code.add({0xcc, 0xe9}); // int3; jmp displaced
    const std::size_t to_displaced = code.distance_to_come();
    for (std::size_t from : to_out)
        code.arrive(from);
    restore();
    code.arrive(to_displaced);
    if (compares_behind)
        made->origin_[code.here()] = behind;
    else
        carry_out();
    code.add({0xe9});
    code.distance(behind);
    made->pad_end_ = code.here();
    if (!code.is_good() || code.here() > data || next_constant > *pad + pad_room)
        return nullptr;

    const std::uint64_t start = *pad & ~(page - 1);
    if (!made->map(tracee, start, (((*pad + pad_room) | (page - 1)) + 1) - start))
        return nullptr;
    write_memory(tracee.tid(), *pad, code.bytes().data(), code.bytes().size());
    for (const auto &[address, value] : constants)
        write_memory(tracee.tid(), address, &value, sizeof value);
    made->original_.assign(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(behind - before));
    Code jump(before);
    jump.add({0xe9});
    jump.distance(*pad);
    std::vector<unsigned char> patch = jump.bytes();
    patch.resize(made->original_.size(), 0xcc);
    if (write_code(tracee, before, patch.data(), patch.size()) == patch.size())
        return made;
    made->remove(tracee);
    return nullptr;
}

bool JumpBreakpoint::was_landed_on(const Registers &registers) const {
    // A trap is told behind its byte, an invalid instruction at it.
    return registers.pc() > patched_ && registers.pc() < patched_ + original_.size() + 1;
}

} // namespace retrograde

#endif
