#include "code/instruction_finder.h"

#if defined(__x86_64__)

#include "code/function_table.h"
#include "code/vector_instruction.h"

#include <algorithm>
#include <capstone/capstone.h>
#include <cstring>
#include <optional>
#include <unistd.h>

namespace retrograde {

namespace {

constexpr std::size_t longest_instruction = 15;

// Where such bytes lie.
std::vector<std::uint64_t> find_candidates(int file, std::uint64_t start, std::uint64_t end,
                                           const std::array<unsigned char, 2> &opcode) {
    constexpr std::uint64_t piece = 1 << 20, overlap = 1;
    std::vector<std::uint64_t> found;
    for (std::uint64_t from = start; from < end; from += piece) {
        const std::vector<unsigned char> bytes = read_file(file, from, std::min(end, from + piece + overlap));
        const unsigned char *at = bytes.data(), *last = at + bytes.size();
        while (at < last && (at = static_cast<const unsigned char *>(
                                 ::memmem(at, static_cast<std::size_t>(last - at), opcode.data(), opcode.size())))) {
            found.push_back(from + static_cast<std::uint64_t>(at - bytes.data()) + 1);
            at += opcode.size();
        }
    }
    return found;
}

class Disassembly {
  public:
    Disassembly(int file, const WantedInstruction &wanted) : file_(file), wanted_(wanted), functions_(file) {
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
        if (!function || function->end - function->start > longest_function)
            return is_unknown;
        const std::uint64_t end_of_it = offset + 1 + wanted_.operand_bytes;
        std::vector<unsigned char> code = read_file(file_, function->start, function->end);
        code.resize(code.size() + longest_instruction);
        for (std::uint64_t at = function->start; at < offset;) {
            const auto rest = std::span<const unsigned char>(code).subspan(at - function->start);
            std::size_t length = wanted_.length(rest);
            if (length != 0 && at + length == end_of_it)
                return is_one;
            if (length == 0)
                length = length_of(rest);
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
    const WantedInstruction &wanted_;
    FunctionTable functions_;
    csh handle_ = 0;
    bool is_open_ = false;
};

} // namespace

std::vector<unsigned char> read_file(int file, std::uint64_t start, std::uint64_t end) {
    std::vector<unsigned char> bytes(end - start);
    const ssize_t got = ::pread(file, bytes.data(), bytes.size(), static_cast<off_t>(start));
    bytes.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return bytes;
}

FoundInstructions find_instructions(int file, std::uint64_t start, std::uint64_t end, const WantedInstruction &wanted) {
    FoundInstructions found;
    std::optional<Disassembly> disassembly;
    for (const std::uint64_t offset : find_candidates(file, start, end, wanted.opcode)) {
        std::vector<unsigned char> bytes = read_file(file, offset - 1, offset + 1 + wanted.operand_bytes);
        if (wanted.length(bytes) == 0)
            continue;
        if (!disassembly)
            disassembly.emplace(file, wanted);
        switch (disassembly->judge(offset)) {
        case Disassembly::is_one:
            found.certain.push_back(offset);
            break;
        case Disassembly::is_unknown:
            found.doubtful.push_back(offset);
            break;
        case Disassembly::is_none:
            break;
        }
    }
    return found;
}

} // namespace retrograde

#endif
