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

// What a thread is to know of a load-exclusive that waits for its store.
struct ExclusiveState {
    std::optional<ExclusiveLoad> load; // since which nothing has been run but single instructions
    unsigned steps = 0;                // that many
    std::uint64_t resumed_at = 0;      // pc
    bool may_be_amid = false;          // stopped otherwise than by a step, and nobody has looked
};

#if defined(__aarch64__)

// The instruction that a thread is at, where it is one of the two (Arm ARM C4.1: Load/store exclusive).
struct ExclusiveInstruction {
    bool is_load = false, is_pair = false;
    std::size_t size = 0;                                 // of one register, bytes
    unsigned status = 0, base = 0, first = 0, second = 0; // Ws, Xn, Xt, Xt2

    std::size_t length() const { return is_pair ? 2 * size : size; }
    // Without what programs may keep in the topmost byte (Arm ARM D8.8.1).
    std::uint64_t address(const Registers &registers) const {
        return (base == 31 ? registers.raw.sp : registers.raw.regs[base]) & ~0ull >> 8;
    }
};

// What leads from one to the other.
struct ExclusiveLoop {
    ExclusiveInstruction load, store;
    std::uint64_t load_at = 0;
};

std::optional<ExclusiveInstruction> exclusive_instruction(std::uint32_t code);
// CLREX: no store-exclusive behind it succeeds.
bool clears_exclusive(std::uint32_t code);

#endif

} // namespace retrograde
