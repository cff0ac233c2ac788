#include "replay/exclusive.h"

namespace retrograde {

#if defined(__aarch64__)

std::optional<ExclusiveInstruction> exclusive_instruction(std::uint32_t code) {
    // size:2 001000 o2:1 L:1 o1:1 Rs:5 o0:1 Rt2:5 Rn:5 Rt:5, with o2 = 0; o1 is for pairs, of words and doublewords.
    if ((code & 0x3fa00000) != 0x08000000 && (code & 0xbfa00000) != 0x88200000)
        return std::nullopt;
    ExclusiveInstruction found;
    found.is_load = code & 1u << 22;
    found.is_pair = code & 1u << 21;
    found.size = std::size_t{1} << (code >> 30);
    found.status = code >> 16 & 31, found.second = code >> 10 & 31, found.base = code >> 5 & 31,
    found.first = code & 31;
    return found;
}

bool clears_exclusive(std::uint32_t code) {
    return (code & 0xfffff0ff) == 0xd503305f;
}

#endif

} // namespace retrograde
