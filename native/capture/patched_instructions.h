// Instructions whose results no recording can tell otherwise, and that no setting of the kernel makes trap: the random
// numbers rdrand and rdseed, and rdpid. Where a file of code is mapped, each is made an invalid instruction (ud2),
// which has the same length, and the capture carries it out in the thread's stead. A replay has the memory as it is
// then.
#pragma once

#include "capture/memory_map.h"
#include "capture/registers.h"
#include "wire.h"

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <sys/types.h>
#include <tuple>
#include <vector>

namespace retrograde {

class PatchedInstructions {
  public:
    // A byte of a process's memory, as it is now.
    struct Patch {
        std::uint64_t address;
        unsigned char byte;
    };
    struct Patches {
        std::vector<Patch> list;
        bool is_doubtful = false; // the file has bytes like theirs, and does not tell where its functions are
    };

    // A thread is stopped where its process has mapped something: patches what is there of a file's code.
    Patches patch(pid_t tid, const Mapping &mapping);

    // A stopped thread, which has these registers, has come to an invalid instruction. Where it is one of these,
    // changes them as the instruction would, and returns which it was.
    std::optional<rg_trap> carry_out(pid_t tid, GeneralRegisters &registers) const;

    // Undoes it for a process, of which this thread is stopped, that is to go on without us.
    void restore(pid_t pid, pid_t tid);
    // Whether a stopped thread came to one of these while it was invalid, and can go on: that has been undone since.
    bool is_restored(pid_t tid) const;

  private:
    struct Found {
        std::vector<std::uint64_t> offsets; // of the byte that is changed, in the file
        bool is_doubtful = false;
    };
    // Of a file, and a part of it.
    using Version = std::tuple<std::uint64_t, std::uint64_t, std::int64_t, std::int64_t, std::int64_t, std::int64_t,
                               std::int64_t, std::uint64_t, std::uint64_t>;
    using Place = std::tuple<std::uint32_t, std::uint32_t, std::uint64_t, std::uint64_t>; // device, inode, offset
    bool is_patched(const Mapping &mapping, std::uint64_t address) const;
    bool has_patched(pid_t tid, std::uint64_t address) const;

    std::map<Version, Found> known_;
    std::set<Place> patched_;
    std::set<pid_t> restored_; // processes
};

} // namespace retrograde
