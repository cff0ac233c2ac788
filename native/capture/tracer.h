// The ptrace attachment of a replay-grade eBPF capture: it does not stop at system calls. It sees the rare things: new
// threads, signals, and the SIGSTOP by which an eBPF program holds a thread whose event it could not complete.
// It never detaches: the kernel does when the capture ends, and that alone does not interrupt calls that wait
// (ptrace(2)).
#pragma once

#include <functional>
#include <set>
#include <sys/types.h>

namespace retrograde {

class Tracer {
  public:
    // Called for a thread that stopped with SIGSTOP. Returns whether the stop is a hold: then the thread stays stopped
    // until resume(), and the signal is dropped. Otherwise the signal is somebody else's and is delivered.
    using HoldHandler = std::function<bool(pid_t tid)>;
    // Called when a thread has ended, with its wait status.
    using EndHandler = std::function<void(pid_t tid, int wait_status)>;

    // Called for a thread that has stopped in a successful exec: it stays stopped until resume().
    using ExecHandler = std::function<void(pid_t tid)>;

    // Without on_exec there are no stops in exec.
    Tracer(HoldHandler on_hold, EndHandler on_end, ExecHandler on_exec);

    // Attaches to a process with one thread, and to all that will descend from it. Throws Failure.
    void attach(pid_t pid);

    // Handles all stops that have been reported; returns whether there were any. Never waits.
    bool handle_stops();

    // Lets a held thread go on.
    void resume(pid_t tid);

    // Another thread than the main one has called exec: it has the process's id now, and the end of the one that it
    // was is never reported (ptrace(2), "execve(2) under ptrace").
    void forget(pid_t old_tid) { tracees_.erase(old_tid); }

    bool attached() const { return !tracees_.empty(); }

  private:
    void handle_stop(pid_t tid, int status);

    HoldHandler on_hold_;
    EndHandler on_end_;
    ExecHandler on_exec_;
    std::set<pid_t> tracees_;
    std::set<pid_t> stop_again_; // held by us, and stopped by somebody else at the same moment
};

} // namespace retrograde
