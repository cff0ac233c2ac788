#include "capture/patched_instructions.h"

#include "capture/call_memory.h"
#include "capture/images.h"
#include "capture/registers.h"
#include "capture/trapped_instructions.h"
#include "code/instruction_finder.h"

#if defined(__x86_64__)
#include <algorithm>
#include <array>
#include <cpuid.h>
#include <cstring>
#include <immintrin.h>
#include <span>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <unistd.h>

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
void carry_out(const Decoded &decoded, pid_t tid, GeneralRegisters &registers) {
    unsigned long long number = 0;
    bool has_any = true;
    if (decoded.which == RG_TRAP_RDPID) {
        number = processor_number(tid);
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

const WantedInstruction wanted{{escape, group_9}, 1, [](std::span<const unsigned char> code) {
                                   const std::optional<Decoded> decoded = decode(code, group_9);
                                   return decoded ? decoded->length : 0;
                               }};

// Changes the second byte of an instruction's opcode. Nothing is changed where there is no such instruction.
bool change_opcode(pid_t tid, std::uint64_t address, unsigned char from, unsigned char to) {
    std::array<unsigned char, 3> bytes{};
    if (ProcessMemory(tid).read(address - 1, bytes.data(), bytes.size()) != bytes.size() || bytes[0] != escape ||
        bytes[1] != from || bytes[2] < least_operand)
        return false;
    const std::uint64_t start = address & ~7ull; // a word never reaches over the end of a page
    std::uint64_t word = 0;
    if (!ProcessMemory(tid).get(start, word))
        return false;
    reinterpret_cast<unsigned char *>(&word)[address - start] = to;
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
    const Version version{status.st_dev,          status.st_ino,          status.st_size,
                          status.st_mtim.tv_sec,  status.st_mtim.tv_nsec, status.st_ctim.tv_sec,
                          status.st_ctim.tv_nsec, mapping.offset,         end};
    auto known = known_.find(version);
    if (known == known_.end()) {
        const FoundInstructions found = find_instructions(file.get(), mapping.offset, end, wanted);
        const bool is_doubtful = std::any_of(found.doubtful.begin(), found.doubtful.end(), [&](std::uint64_t offset) {
            return asks_for_success(file.get(), offset);
        });
        known = known_.emplace(version, Found{found.certain, is_doubtful}).first;
    }
    Patches patches{{}, known->second.is_doubtful};
    for (const std::uint64_t offset : known->second.offsets) {
        const std::uint64_t address = mapping.start + (offset - mapping.offset);
        if (!change_opcode(tid, address, group_9, invalid))
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

bool PatchedInstructions::has_patched(pid_t tid, std::uint64_t address) const {
    const std::vector<Mapping> map = read_memory_map(tid);
    return std::any_of(map.begin(), map.end(), [&](const Mapping &mapping) { return is_patched(mapping, address); });
}

namespace {

// The one that a stopped thread has come to.
std::optional<Decoded> decode_at(pid_t tid, const GeneralRegisters &registers, unsigned char second) {
    std::array<unsigned char, longest_instruction> code{};
    const std::size_t got = ProcessMemory(tid).read(registers.rip, code.data(), code.size());
    return decode(std::span(code).first(got), second);
}

} // namespace

std::optional<rg_trap> PatchedInstructions::carry_out(pid_t tid, GeneralRegisters &registers) const {
    if (patched_.empty())
        return std::nullopt;
    const std::optional<Decoded> decoded = decode_at(tid, registers, invalid);
    if (!decoded || !processor_has(decoded->which) || !has_patched(tid, registers.rip + decoded->length - 2))
        return std::nullopt;
    retrograde::carry_out(*decoded, tid, registers);
    return decoded->which;
}

bool PatchedInstructions::is_restored(pid_t tid) const {
    GeneralRegisters registers{};
    if (restored_.empty() || !read_registers(tid, registers))
        return false;
    const std::optional<Decoded> decoded = decode_at(tid, registers, group_9);
    return decoded && has_patched(tid, registers.rip + decoded->length - 2);
}

void PatchedInstructions::restore(pid_t pid, pid_t tid) {
    if (patched_.empty() || !restored_.insert(pid).second)
        return;
    for (const Mapping &mapping : read_memory_map(tid))
        for (const auto &[major, minor, inode, offset] : patched_)
            if (const std::uint64_t address = mapping.start + (offset - mapping.offset); is_patched(mapping, address))
                change_opcode(tid, address, invalid, group_9);
}

} // namespace retrograde

#else // arm64's random numbers are hidden from programs: replay_state.cpp

namespace retrograde {

PatchedInstructions::Patches PatchedInstructions::patch(pid_t, const Mapping &) {
    return {};
}
std::optional<rg_trap> PatchedInstructions::carry_out(pid_t, GeneralRegisters &) const {
    return std::nullopt;
}
void PatchedInstructions::restore(pid_t, pid_t) {}
bool PatchedInstructions::is_restored(pid_t) const {
    return false;
}

} // namespace retrograde

#endif
