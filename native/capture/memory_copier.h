// Copies the memory of a system call out of a stopped thread, by the copy plan of the syscall table.
#pragma once

#include "capture/event_writer.h"
#include "capture/options.h"

#include <cstdint>
#include <sys/types.h>

namespace retrograde {

class MemoryCopier {
  public:
    MemoryCopier(const Options &options, EventWriter &writer);

    // Adds the whole event, its memory copied from thread `header.tid`, which is stopped behind the call.
    // `deref_at_enter` is what the plan's deref argument pointed to at enter (see RG_PLAN_DEREF). However large the
    // memory, at most 1 MiB of it is held at once. Memory that can't be read is a segment with the flag FAULT.
    void add(rg_event header, std::uint64_t deref_at_enter);

    // What to remember at enter for `deref_at_enter`; 0 where the call's plan has no deref.
    std::uint64_t deref_value(pid_t tid, int nr, const __u64 args[6]) const;

  private:
    const Options &options_;
    EventWriter &writer_;
};

// The plan of a call, its variant chosen by the command among its arguments; null for an unknown number.
const rg_plan *plan_for(int nr, const __u64 args[6]);

} // namespace retrograde
