// The ptrace attachment of a replay-grade eBPF capture: it does not stop at system calls. It sees the rare things: new
// threads, signals, exec, and the SIGSTOP by which an eBPF program holds a thread whose event it could not complete.
// It never detaches: the kernel does when the capture ends, and that alone does not interrupt calls that wait
// (ptrace(2)).
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <sys/types.h>

namespace retrograde {

class Tracer {
  public:
    struct Handlers {
        // A thread has stopped with SIGSTOP. Returns whether the stop is a hold: then the thread stays stopped until
        // resume(), and the signal is dropped. Otherwise the signal is somebody else's and is delivered.
        std::function<bool(pid_t tid)> on_hold;
        // A thread has ended, with its wait status.
        std::function<void(pid_t tid, int wait_status)> on_end;

        // These may be missing: such stops end at once then, or are not made. Otherwise the thread stays stopped until
        // it is let go by one of the functions below.
        // A thread has stopped in a successful exec.
        std::function<void(pid_t tid)> on_exec;
        // A new thread or process has stopped before its first instruction.
        std::function<void(pid_t tid)> on_start;
        // A thread has stopped before the delivery of a signal that is none of ours.
        std::function<void(pid_t tid, int signal)> on_signal;
        // A thread that step_into_handler() let go has stopped at the handler's first instruction, or (`there` is
        // false) elsewhere. It is let go afterwards as any other.
        std::function<void(pid_t tid, bool there)> at_handler;
    };

    explicit Tracer(Handlers handlers);

    // Attaches to a process with one thread, and to all that will descend from it. Throws Failure.
    void attach(pid_t pid);

    // Handles all stops that have been reported; returns whether there were any. Never waits.
    bool handle_stops();

    // Lets a held thread go on.
    void resume(pid_t tid);

    // Lets a thread go on that has stopped before the delivery of a signal; 0: the signal is dropped.
    void deliver(pid_t tid, int signal);

    // The same where the signal has a handler.
    void step_into_handler(pid_t tid, int signal);

    // Another thread than the main one has called exec: it has the process's id now, and the end of the one that it
    // was is never reported (ptrace(2), "execve(2) under ptrace").
    void forget(pid_t old_tid) { tracees_.erase(old_tid); }

    // Detaches from all threads, each stopped first and handed to `last_rites`, with the signal that is about to be
    // delivered to it or 0; what that returns is delivered. Who does not stop within `timeout_ns` is let go when this
    // program ends.
    void detach_all(const std::function<int(pid_t tid, int signal)> &last_rites, std::uint64_t timeout_ns);

    // Stops a thread that runs, for a moment.
    void interrupt(pid_t tid);

    // Whether another thread than this one could run.
    bool others_wait(pid_t running) const;

    bool has(pid_t tid) const { return tracees_.contains(tid); }
    bool attached() const { return !tracees_.empty(); }

  private:
    void handle_stop(pid_t tid, int status);
    void handle_signal(pid_t tid, int signal);
    bool was_handler_stop(pid_t tid, int status);

    Handlers handlers_;
    std::set<pid_t> tracees_;
    std::set<pid_t> stop_again_;  // held by us, and stopped by somebody else at the same moment
    std::set<pid_t> stepping_;    // on the way to a signal handler's first instruction
    std::set<pid_t> stale_steps_; // have stopped otherwise on that way: the SIGTRAP of the step may still come
};

} // namespace retrograde
