// Instructions of x86-64 with a VEX or EVEX prefix, many of which capstone 4 does not know.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

namespace retrograde {

struct VectorInstruction {
    std::size_t length;
    std::optional<std::size_t> displacement_at; // of a rip-relative operand
};

// Measures the one that `bytes` begin with: lengths follow a rule (Intel SDM volume 2, 2.3 and 2.7). Nothing where it
// is another one, or fewer bytes are given than the longest instruction has. None of them is a jump.
inline std::optional<VectorInstruction> measure_vector_instruction(std::span<const unsigned char> bytes) {
    constexpr std::size_t longest = 15;
    if (bytes.size() < longest)
        return std::nullopt;
    std::size_t at = 0;
    unsigned map = 1;
    switch (bytes[0]) {
    case 0xc5:
        at = 2;
        break;
    case 0xc4:
        map = bytes[1] & 0x1f, at = 3;
        break;
    case 0x62:
        map = bytes[1] & 0x07, at = 4;
        break;
    default:
        return std::nullopt;
    }
    const unsigned opcode = bytes[at++];
    const bool has_immediate = map == 3 || (map == 1 && ((opcode >= 0x70 && opcode <= 0x73) || opcode == 0xc2 ||
                                                         opcode == 0xc4 || opcode == 0xc5 || opcode == 0xc6));
    VectorInstruction found{};
    if (!(map == 1 && opcode == 0x77)) { // vzeroupper has no operands
        const unsigned modrm = bytes[at++], mode = modrm >> 6, base = modrm & 7;
        if (mode != 3 && base == 4) {
            const unsigned sib = bytes[at++];
            at += mode == 0 && (sib & 7) == 5 ? 4 : 0;
        } else if (mode == 0 && base == 5) {
            found.displacement_at = at;
            at += 4;
        }
        at += mode == 1 ? 1 : mode == 2 ? 4 : 0;
    }
    found.length = at + has_immediate;
    return found;
}

} // namespace retrograde
