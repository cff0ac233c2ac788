// Load-exclusive and store-exclusive instructions of arm64: a stop between the two makes the second fail, so who goes
// instruction by instruction would never leave a loop of them.
#pragma once

#include "replay/registers.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace retrograde {

// Memory that a store has written, other than by the processor.
struct Written {
    std::uint64_t address;
    std::size_t length;
};

// What a load-exclusive that was stepped over has read: the memory of a thread's process at its address.
struct ExclusiveLoad {
    std::uint64_t address = 0;
    std::size_t length = 0;
    std::array<unsigned char, 16> bytes{};
    bool operator==(const ExclusiveLoad &) const = default;
};

#if defined(__aarch64__)

// The instruction that a thread is at, where it is one of the two (Arm ARM C4.1: Load/store exclusive).
struct ExclusiveInstruction {
    bool is_load = false, is_pair = false;
    std::size_t size = 0;                                 // of one register, bytes
    unsigned status = 0, base = 0, first = 0, second = 0; // Ws, Xn, Xt, Xt2

    std::size_t length() const { return is_pair ? 2 * size : size; }
    std::uint64_t address(const Registers &registers) const {
        return base == 31 ? registers.raw.sp : registers.raw.regs[base];
    }
};

// What leads from one to the other.
struct ExclusiveLoop {
    ExclusiveInstruction load, store;
    std::uint64_t load_at = 0;
};

std::optional<ExclusiveInstruction> exclusive_instruction(std::uint32_t code);

#endif

} // namespace retrograde
