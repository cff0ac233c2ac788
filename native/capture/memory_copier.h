// Copies the memory of a system call out of a stopped thread, by the copy plan of the syscall table.
#pragma once

#include "capture/call_memory.h"
#include "capture/event_rows.h"
#include "capture/event_writer.h"
#include "capture/options.h"

#include <cstdint>
#include <sys/types.h>
#include <vector>

namespace retrograde {

class MemoryCopier {
  public:
    MemoryCopier(const Options &options, EventWriter &writer);

    // Adds the whole event, its memory copied from thread `header.tid`, which is stopped behind the call (or before
    // it, for the kind ENTER). `deref_at_enter` is what the plan's deref argument pointed to at enter (see
    // RG_PLAN_DEREF). However large the memory, at most 1 MiB of it is held at once. Memory that can't be read is a
    // segment with the flag FAULT.
    void add(rg_event header, std::uint64_t deref_at_enter, const SavedMemory *saved = nullptr);

    // The same for a restart_syscall, whose memory is that of the call which it continues.
    void add_continued(rg_event header, const rg_event &interrupted, std::uint64_t deref_at_enter);

    // What to remember at enter for `deref_at_enter`; 0 where the call's plan has no deref.
    std::uint64_t deref_value(pid_t tid, int nr, const __u64 args[6]) const;

    // The `in` memory of a call that is about to start, for plans with RG_PLAN_ENTER; empty for others.
    SavedMemory save_at_enter(const rg_event &header) const;

  private:
    Snaplen snaplen_;
    EventWriter &writer_;
    std::vector<unsigned char> buffer_;
};

} // namespace retrograde
