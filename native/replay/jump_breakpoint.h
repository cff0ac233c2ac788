// A breakpoint that stops a thread only where all its general registers have given values, and costs nanoseconds where
// they have others: the instruction is replaced by a jump to code that compares them inside the process. (A stop for
// the replayer costs some 17 us, and a loop may pass a place a hundred million times before the one that was recorded.)
//
// The pieces are those of gdb's fast tracepoints: a jump pad, and the displaced instructions carried out there. A jump
// is longer than most instructions. Whatever else jumps to one of the instructions that it covers meets a byte that is
// no instruction: the pad lies where the bytes of the jump's offset are such ones.
#pragma once

#include "replay/tracee.h"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <sys/types.h>
#include <utility>
#include <vector>

namespace retrograde {

// A word of memory that was recorded with the registers.
struct WantedWord {
    std::uint64_t address, value;
};

// A string instruction that is repeated (rep movs), which signals and switches interrupt at any turn.
struct RepeatedString {
    std::size_t length; // of the instruction
    std::uint64_t step; // bytes a turn
    bool uses_source, uses_destination;
};
std::optional<RepeatedString> repeated_string(std::span<const unsigned char> bytes);

class JumpBreakpoint {
  public:
    // Inserts it at wanted.pc() into the memory of the stopped thread, or, where `before` is another address, there: at
    // instructions that are carried out one after the other up to wanted.pc(), behind which registers are compared.
    // `words` near the stack pointer are compared as well. Null where that can't be done: the instructions there can't
    // be moved or replaced, or there is no room. Where `limit` is not 0, it stops at the limit-th pass instead,
    // whatever the registers.
    static std::unique_ptr<JumpBreakpoint> insert(Tracee &tracee, const Registers &wanted,
                                                  std::span<const WantedWord> words, std::uint64_t before,
                                                  std::uint64_t limit);

    // How often the place has been passed.
    std::uint64_t passes(const Tracee &tracee) const;

    // Takes it out again; the thread must not be in the pad.
    void remove(Tracee &tracee);

    // After a stop of the thread: moves it from the pad to where it would be without it. Returns whether the stop was
    // the breakpoint's own: registers and words are as wanted, but for the flags, and the thread is at the place.
    bool leave_pad(Tracee &tracee, bool is_trap);
    // Lets a thread that is at the place go on from there.
    void go_on(Tracee &tracee);
    // Whether something has jumped to an instruction that is covered: then the breakpoint is of no use.
    bool was_landed_on(const Registers &registers) const;

  private:
    JumpBreakpoint() = default;

    std::uint64_t place_ = 0, patched_ = 0, pad_ = 0, pad_end_ = 0, match_ = 0, displaced_ = 0, counter_ = 0;
    // Maps room for the pad. Returns false where there turns out to be none.
    bool map(Tracee &tracee, std::uint64_t start, std::uint64_t length);
    std::uint64_t mapped_ = 0, mapped_length_ = 0;
    bool was_reserved_ = false;
    std::vector<unsigned char> original_;
    std::map<std::uint64_t, std::uint64_t> origin_; // places in the pad that stand for places of the program
};

// Memory of a process that nothing is mapped at, up to an address, with room for its stack to grow; or that the program
// has reserved and can't access (engines that generate code reserve all that its jumps reach).
class FreeMemory {
  public:
    FreeMemory(pid_t tid, std::uint64_t highest);
    bool has(std::uint64_t start, std::uint64_t end) const;

  private:
    using Range = std::pair<std::uint64_t, std::uint64_t>;
    std::vector<Range> used_, reserved_;
    std::uint64_t highest_;
};

} // namespace retrograde
