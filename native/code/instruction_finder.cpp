#include "code/instruction_finder.h"

#if defined(__x86_64__)

#include "code/function_table.h"
#include "code/vector_instruction.h"

#include <algorithm>
#include <capstone/capstone.h>
#include <cstring>
#include <optional>
#include <set>
#include <sys/stat.h>
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
        if (function->start != start_)
            disassemble(*function);
        return places_.contains(offset) ? is_one : offset < known_to_ ? is_none : is_unknown;
    }

  private:
    // Notes all that are wanted of a function: each is disassembled once.
    void disassemble(const FileRange &function) {
        start_ = function.start;
        places_.clear();
        std::vector<unsigned char> code = read_file(file_, function.start, function.end);
        const std::size_t size = code.size();
        code.resize(size + longest_instruction);
        std::size_t at = 0;
        while (at < size) {
            const auto rest = std::span<const unsigned char>(code).subspan(at);
            std::size_t length = wanted_.length(rest);
            if (length != 0)
                places_.insert(function.start + at + length - 1 - wanted_.operand_bytes);
            else
                length = length_of(rest);
            if (length == 0)
                break;
            at += length;
        }
        known_to_ = function.start + at;
    }

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
    std::uint64_t start_ = ~0ull, known_to_ = 0; // of the function that was looked at last
    std::set<std::uint64_t> places_;
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
    struct stat status {};
    if (::fstat(file, &status) != 0)
        return found;
    end = std::min(end, static_cast<std::uint64_t>(status.st_size));
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
