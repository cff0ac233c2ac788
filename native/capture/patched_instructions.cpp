#include "capture/patched_instructions.h"

#include "base/vector_instruction.h"
#include "capture/call_memory.h"
#include "capture/function_table.h"
#include "capture/images.h"
#include "capture/registers.h"

#if defined(__x86_64__)
#include <algorithm>
#include <array>
#include <capstone/capstone.h>
#include <cpuid.h>
#include <cstring>
#include <span>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <unistd.h>
#include <x86intrin.h>

namespace retrograde {

namespace {

constexpr std::size_t longest_instruction = 15;
constexpr unsigned char escape = 0x0f, group_9 = 0xc7, invalid = 0x0b;
constexpr unsigned char least_operand = 0xf0; // ModR/M with a register: /6 rdrand, /7 rdseed, with F3 rdpid

struct Decoded {
    rg_trap which;
    unsigned target;    // number of the register
    unsigned bits;      // of it: 16, 32, 64
    std::size_t length; // of the instruction
};

// Reads one of these, with `second` in the place of the second byte of its opcode (Intel SDM volume 2, A.4.1).
std::optional<Decoded> decode(std::span<const unsigned char> code, unsigned char second) {
    bool is_short = false, is_repeated = false;
    unsigned rex = 0;
    std::size_t at = 0;
    for (; at < code.size() && rex == 0; at++) {
        if (code[at] == 0x66)
            is_short = true;
        else if (code[at] == 0xf3)
            is_repeated = true;
        else if ((code[at] & 0xf0) == 0x40)
            rex = code[at];
        else
            break;
    }
    if (at + 3 > code.size() || code[at] != escape || code[at + 1] != second || code[at + 2] < least_operand)
        return std::nullopt;
    const unsigned char operand = code[at + 2];
    const bool is_last = operand >= 0xf8;
    if (is_repeated && !is_last)
        return std::nullopt;                   // senduipi
    constexpr unsigned wide = 8, extended = 1; // REX.W, REX.B
    const unsigned bits = is_repeated || rex & wide ? 64 : is_short ? 16 : 32;
    const rg_trap which = is_repeated ? RG_TRAP_RDPID : is_last ? RG_TRAP_RDSEED : RG_TRAP_RDRAND;
    return Decoded{which, (operand & 7u) | (rex & extended ? 8 : 0), bits, at + 3};
}

std::vector<unsigned char> read_file(int file, std::uint64_t start, std::uint64_t end) {
    std::vector<unsigned char> bytes(end - start);
    const ssize_t got = ::pread(file, bytes.data(), bytes.size(), static_cast<off_t>(start));
    bytes.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return bytes;
}

// Where bytes lie that may be one: of the second byte of the opcode.
std::vector<std::uint64_t> find_candidates(int file, std::uint64_t start, std::uint64_t end) {
    constexpr std::uint64_t piece = 1 << 20, overlap = 2;
    constexpr std::array<unsigned char, 2> opcode{escape, group_9};
    std::vector<std::uint64_t> found;
    for (std::uint64_t from = start; from < end; from += piece) {
        const std::vector<unsigned char> bytes = read_file(file, from, std::min(end, from + piece + overlap));
        const unsigned char *at = bytes.data(), *last = at + bytes.size();
        while (at < last && (at = static_cast<const unsigned char *>(
                                 ::memmem(at, static_cast<std::size_t>(last - at), opcode.data(), opcode.size())))) {
            at += opcode.size();
            if (at < last && *at >= least_operand)
                found.push_back(from + static_cast<std::uint64_t>(at - bytes.data()) - 1);
        }
    }
    return found;
}

// Tells instructions from other bytes that are like them: by all instructions from the function's start on.
class Disassembly {
  public:
    explicit Disassembly(int file) : file_(file), functions_(file) {
        is_open_ = ::cs_open(CS_ARCH_X86, CS_MODE_64, &handle_) == CS_ERR_OK;
    }
    Disassembly(const Disassembly &) = delete;
    ~Disassembly() {
        if (is_open_)
            ::cs_close(&handle_);
    }

    enum Verdict { is_one, is_none, is_unknown };
    Verdict judge(std::uint64_t offset) {
        const std::optional<FileRange> function = functions_.function_at(offset);
        constexpr std::uint64_t longest_function = 16 << 20;
        if (!function)
            return functions_.is_empty() ? is_unknown : is_none;
        if (function->end - function->start > longest_function)
            return is_unknown;
        std::vector<unsigned char> code = read_file(file_, function->start, function->end);
        code.resize(code.size() + longest_instruction);
        for (std::uint64_t at = function->start; at < offset;) {
            const auto rest = std::span(code).subspan(at - function->start);
            std::size_t length = length_of(rest);
            if (const auto decoded = decode(rest, group_9)) {
                if (at + decoded->length == offset + 2)
                    return is_one;
                length = decoded->length;
            }
            if (length == 0)
                return is_unknown;
            at += length;
        }
        return is_none;
    }

  private:
    std::size_t length_of(std::span<const unsigned char> code) const {
        if (const auto vector = measure_vector_instruction(code))
            return vector->length;
        cs_insn *instruction = nullptr;
        if (!is_open_ ||
            ::cs_disasm(handle_, code.data(), std::min(code.size(), longest_instruction), 0, 1, &instruction) != 1)
            return 0;
        const std::size_t length = instruction->size;
        ::cs_free(instruction, 1);
        return length;
    }

    int file_;
    FunctionTable functions_;
    csh handle_ = 0;
    bool is_open_ = false;
};

// Whether one of the next instructions looks at the carry flag, by which rdrand and rdseed tell of success. Compilers
// put few between them.
bool asks_for_success(int file, std::uint64_t offset) {
    constexpr std::uint64_t distance = 12;
    const std::vector<unsigned char> next = read_file(file, offset + 2, offset + 2 + distance);
    for (std::size_t at = 0; at + 1 < next.size(); at++) {
        const unsigned is_either = next[at + 1] & 0xfe;                                            // carry, or no carry
        if ((next[at] & 0xfe) == 0x72 ||                                                           // jc
            (next[at] == escape && (is_either == 0x42 || is_either == 0x82 || is_either == 0x92))) // cmovc, jc, setc
            return true;
    }
    return false;
}

// Where general register `number` lies among a thread's.
unsigned long long &general_register(GeneralRegisters &registers, unsigned number) {
    unsigned long long *const all[] = {&registers.rax, &registers.rcx, &registers.rdx, &registers.rbx,
                                       &registers.rsp, &registers.rbp, &registers.rsi, &registers.rdi,
                                       &registers.r8,  &registers.r9,  &registers.r10, &registers.r11,
                                       &registers.r12, &registers.r13, &registers.r14, &registers.r15};
    return *all[number];
}

__attribute__((target("rdrnd"))) bool random_number(unsigned long long &number) {
    return _rdrand64_step(&number);
}

__attribute__((target("rdseed"))) bool random_seed(unsigned long long &number) {
    return _rdseed64_step(&number);
}

// The processor gives as many random bits as are asked for, and zero where it has none (Intel SDM volume 2, RDRAND).
void carry_out(const Decoded &decoded, GeneralRegisters &registers) {
    unsigned long long number = 0;
    unsigned processor = 0;
    bool has_any = true;
    if (decoded.which == RG_TRAP_RDPID) {
        __rdtscp(&processor);
        number = processor;
    } else {
        has_any = decoded.which == RG_TRAP_RDRAND ? random_number(number) : random_seed(number);
        constexpr unsigned long long carry = 1, arithmetic = 0x8d5; // OF, SF, ZF, AF, PF, CF
        registers.eflags = (registers.eflags & ~arithmetic) | (has_any ? carry : 0);
        number = has_any ? number : 0;
    }
    unsigned long long &target = general_register(registers, decoded.target);
    target = decoded.bits == 64   ? number
             : decoded.bits == 32 ? number & 0xffffffff
                                  : (target & ~0xffffull) | (number & 0xffff);
    registers.rip += decoded.length;
}

bool processor_has(rg_trap which) {
    unsigned a = 0, b = 0, c = 0, d = 0;
    switch (which) {
    case RG_TRAP_RDRAND:
        return ::__get_cpuid(1, &a, &b, &c, &d) && c & bit_RDRND;
    case RG_TRAP_RDSEED:
        return ::__get_cpuid_count(7, 0, &a, &b, &c, &d) && b & bit_RDSEED;
    default:
        return ::__get_cpuid_count(7, 0, &a, &b, &c, &d) && c & bit_RDPID;
    }
}

// The word of a process's memory that a byte is in, which never reaches over the end of a page.
bool change_byte(pid_t tid, std::uint64_t address, unsigned char from, unsigned char to) {
    const std::uint64_t start = address & ~7ull;
    std::uint64_t word = 0;
    if (!ProcessMemory(tid).get(start, word))
        return false;
    auto *byte = reinterpret_cast<unsigned char *>(&word) + (address - start);
    if (*byte != from)
        return false;
    *byte = to;
    return ::ptrace(PTRACE_POKEDATA, tid, reinterpret_cast<void *>(start), word) == 0;
}

// What is shared belongs to others, too: the file would change.
bool is_code(const Mapping &mapping) {
    return mapping.has_file() && !mapping.is_shared() && mapping.perms[2] == 'x';
}

} // namespace

PatchedInstructions::Patches PatchedInstructions::patch(pid_t tid, const Mapping &mapping) {
    if (!is_code(mapping))
        return {};
    const UniqueFd file = open_mapped_file(tid, mapping);
    struct stat status {};
    if (!file || ::fstat(file.get(), &status) != 0)
        return {};
    const std::uint64_t end = mapping.offset + mapping.length();
    const Version version{status.st_dev,
                          status.st_ino,
                          status.st_size,
                          status.st_mtim.tv_sec,
                          status.st_mtim.tv_nsec,
                          mapping.offset,
                          end};
    auto known = known_.find(version);
    if (known == known_.end()) {
        Found found;
        std::optional<Disassembly> disassembly;
        for (const std::uint64_t offset : find_candidates(file.get(), mapping.offset, end)) {
            if (!disassembly)
                disassembly.emplace(file.get());
            const Disassembly::Verdict verdict = disassembly->judge(offset);
            if (verdict == Disassembly::is_one)
                found.offsets.push_back(offset);
            found.is_doubtful |= verdict == Disassembly::is_unknown && asks_for_success(file.get(), offset);
        }
        known = known_.emplace(version, std::move(found)).first;
    }
    Patches patches{{}, known->second.is_doubtful};
    for (const std::uint64_t offset : known->second.offsets) {
        const std::uint64_t address = mapping.start + (offset - mapping.offset);
        if (!change_byte(tid, address, group_9, invalid))
            continue;
        patched_.emplace(mapping.major, mapping.minor, mapping.inode, offset);
        patches.list.push_back({address, invalid});
    }
    return patches;
}

bool PatchedInstructions::is_patched(const Mapping &mapping, std::uint64_t address) const {
    return is_code(mapping) && address >= mapping.start && address < mapping.end &&
           patched_.contains({mapping.major, mapping.minor, mapping.inode, mapping.offset + (address - mapping.start)});
}

std::optional<rg_trap> PatchedInstructions::carry_out(pid_t tid) const {
    GeneralRegisters registers{};
    std::array<unsigned char, longest_instruction> code{};
    if (patched_.empty() || !read_registers(tid, registers))
        return std::nullopt;
    const std::size_t got = ProcessMemory(tid).read(registers.rip, code.data(), code.size());
    const std::optional<Decoded> decoded = decode(std::span(code).first(got), invalid);
    if (!decoded || !processor_has(decoded->which))
        return std::nullopt;
    const std::uint64_t changed = registers.rip + decoded->length - 2;
    const std::vector<Mapping> map = read_memory_map(tid);
    if (std::none_of(map.begin(), map.end(), [&](const Mapping &mapping) { return is_patched(mapping, changed); }))
        return std::nullopt;
    retrograde::carry_out(*decoded, registers);
    return write_registers(tid, registers) ? std::optional(decoded->which) : std::nullopt;
}

void PatchedInstructions::restore(pid_t tid) const {
    if (patched_.empty())
        return;
    for (const Mapping &mapping : read_memory_map(tid))
        for (const auto &[major, minor, inode, offset] : patched_)
            if (const std::uint64_t address = mapping.start + (offset - mapping.offset); is_patched(mapping, address))
                change_byte(tid, address, invalid, group_9);
}

} // namespace retrograde

#else // arm64's random numbers are hidden from programs: replay_state.cpp

namespace retrograde {

PatchedInstructions::Patches PatchedInstructions::patch(pid_t, const Mapping &) {
    return {};
}
std::optional<rg_trap> PatchedInstructions::carry_out(pid_t) const {
    return std::nullopt;
}
void PatchedInstructions::restore(pid_t) const {}

} // namespace retrograde

#endif
