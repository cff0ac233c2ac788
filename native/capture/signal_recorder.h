// Rows of the kind SIGNAL as a replay needs them: where the signal struck, and the frame that the kernel puts on the
// stack for its handler. Such a signal is delivered with PTRACE_SINGLESTEP: the kernel then stops the thread at the
// handler's first instruction, before it runs (kernel/signal.c: signal_delivered).
#pragma once

#include "capture/wire_record.h"

#include <cstdint>
#include <map>
#include <optional>
#include <sys/types.h>

namespace retrograde {

// Memory as it was where a thread was interrupted. Its registers may be the same at every turn of a loop.
struct Memory {
    std::uint64_t address;
    std::vector<unsigned char> bytes;
};

// Around the stack pointer of a stopped thread, whose general registers these are (NT_PRSTATUS): so many bytes above.
Memory stack_around(pid_t tid, const std::vector<unsigned char> &registers, std::uint64_t above);

// What its registers, the words on its stack and the code at its program counter and in its callers point to: where
// loops have their counters. 16 KiB at most.
std::vector<Memory> memory_in_reach(pid_t tid, const std::vector<unsigned char> &registers);

class SignalRecorder {
  public:
    // A thread has stopped before the delivery of a signal. Returns the row, or nothing where a handler will run or
    // may: then the thread's next stop or its end has to be told below.
    //   is_alone: nobody else can be changing its memory now.
    //   others_run: other threads of its process run now: they may set a handler before the signal is delivered.
    std::optional<WireRecord> strike(pid_t tid, int signal, bool is_alone, bool others_run);

    // The thread has stopped at its handler's first instruction.
    WireRecord at_handler(pid_t tid);

    // It has stopped elsewhere, or ended: no handler was run.
    WireRecord without_handler(pid_t tid);

    bool awaits_handler(pid_t tid) const { return struck_.contains(tid); }
    // When the first of those threads was struck, whose rows are not made yet; the highest number where there is none.
    std::uint64_t earliest() const;

  private:
    struct Struck {
        rg_event event;
        std::vector<unsigned char> registers;
        std::vector<Memory> evidence;
    };
    static WireRecordBuilder begin_row(const Struck &struck);
    Struck take(pid_t tid);

    std::map<pid_t, Struck> struck_;
};

// What the stop of a thread tells that was let go to its signal handler.
enum class HandlerStop {
    at_handler,
    step, // there was no handler after all, and the thread has made a step; the SIGTRAP of it is to be dropped
    other,
};
HandlerStop handler_stop(pid_t tid, int wait_status);

} // namespace retrograde
