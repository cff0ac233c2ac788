// Finds instructions in the machine code of a file (x86-64: on other architectures nobody looks for any).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace retrograde {

// What is looked for: instructions whose opcode has these two bytes, and so many behind it.
struct WantedInstruction {
    std::array<unsigned char, 2> opcode;
    std::size_t operand_bytes;
    // The length of the one that these bytes begin with, prefixes included; 0 where they begin with another one.
    std::function<std::size_t(std::span<const unsigned char>)> length;
};

// Places of the second byte of the opcode, in the file.
struct FoundInstructions {
    std::vector<std::uint64_t> certain;
    // Bytes that are alike, of which nobody can tell whether they are an instruction.
    std::vector<std::uint64_t> doubtful;
};

// Looks in a part of a 64-bit ELF file, which may be anything. Instructions are told from other bytes that are like
// them by disassembling from the start of their function.
FoundInstructions find_instructions(int file, std::uint64_t start, std::uint64_t end, const WantedInstruction &wanted);

// As much of a part of a file as there is.
std::vector<unsigned char> read_file(int file, std::uint64_t start, std::uint64_t end);

} // namespace retrograde
