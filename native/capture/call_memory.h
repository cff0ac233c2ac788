// Which memory belongs to a system call: the ranges that the copy plan of the syscall table, or for irregular calls
// their owner function, tells of one call of one stopped thread.
#pragma once

#include "wire.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <sys/types.h>

namespace retrograde {

// The memory of another process.
class ProcessMemory {
  public:
    explicit ProcessMemory(pid_t pid) : pid_(pid) {}

    // Reads up to the first byte that can't be read; returns how many bytes it got.
    std::size_t read(std::uint64_t address, void *into, std::size_t length) const;

    template <typename T> bool get(std::uint64_t address, T &value) const {
        return read(address, &value, sizeof value) == sizeof value;
    }

    // Bytes of the string at `address` with its NUL, or up to where it can't be read, or `limit`.
    struct String {
        std::uint64_t length;
        bool whole;
    };
    String string(std::uint64_t address, std::uint64_t limit) const;

  private:
    pid_t pid_;
};

// One piece of memory of a call.
struct MemoryRange {
    std::uint64_t address;
    std::uint64_t length; // bytes there are
    std::uint64_t keep;   // bytes to copy: less than `length` where the snaplen cuts
    std::uint8_t arg;
    std::uint8_t flags; // of enum rg_segment_flags
};
using RangeVisitor = std::function<void(const MemoryRange &)>;

// Bytes of payload to copy of one argument.
struct Snaplen {
    std::uint64_t in = std::numeric_limits<std::uint64_t>::max();  // that the kernel read
    std::uint64_t out = std::numeric_limits<std::uint64_t>::max(); // that it wrote
};

// What the plan's deref argument points to, to be remembered at enter (see RG_PLAN_DEREF); 0 where there is none.
std::uint64_t read_deref(const ProcessMemory &memory, int nr, const __u64 args[6]);

// Visits the memory of the call `event`: at its start for the kind ENTER (what the kernel will read), else at its end.
// The thread must be stopped there. Ranges may overlap, and may turn out to be unreadable.
void visit_call_memory(const ProcessMemory &memory, const rg_event &event, std::uint64_t deref_at_enter,
                       Snaplen snaplen, const RangeVisitor &visit);

} // namespace retrograde
