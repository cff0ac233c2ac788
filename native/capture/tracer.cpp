#include "capture/tracer.h"

#include "capture/requirements.h"

#include <csignal>
#include <sys/ptrace.h>
#include <sys/wait.h>

namespace retrograde {

namespace {

constexpr long options = PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE;

// Whether the SIGSTOP that a thread has stopped with came from an eBPF program (bpf_send_signal sends as the kernel).
bool sent_by_kernel(pid_t tid) {
    siginfo_t info{};
    return ::ptrace(PTRACE_GETSIGINFO, tid, nullptr, &info) == 0 && info.si_code == SI_KERNEL;
}

} // namespace

Tracer::Tracer(HoldHandler on_hold, EndHandler on_end, ExecHandler on_exec)
    : on_hold_(std::move(on_hold)), on_end_(std::move(on_end)), on_exec_(std::move(on_exec)) {}

void Tracer::attach(pid_t pid) {
    if (::ptrace(PTRACE_SEIZE, pid, nullptr, options | (on_exec_ ? PTRACE_O_TRACEEXEC : 0)) != 0)
        throw attach_failure(pid, errno);
    tracees_.insert(pid);
}

bool Tracer::handle_stops() {
    bool any = false;
    int status;
    for (pid_t tid; (tid = ::waitpid(-1, &status, __WALL | WNOHANG)) > 0; any = true) {
        if (WIFSTOPPED(status)) {
            tracees_.insert(tid);
            handle_stop(tid, status);
        } else {
            tracees_.erase(tid);
            stop_again_.erase(tid);
            on_end_(tid, status);
        }
    }
    return any;
}

// A thread may be killed while it is stopped, so that every request can fail with ESRCH: its end is reported next.
void Tracer::handle_stop(pid_t tid, int status) {
    const int signal = WSTOPSIG(status), event = status >> 16;
    if (event == PTRACE_EVENT_STOP) {
        bool group_stop = signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU;
        ::ptrace(group_stop ? PTRACE_LISTEN : PTRACE_CONT, tid, nullptr, nullptr);
    } else if (event == PTRACE_EVENT_EXEC) {
        on_exec_(tid);
    } else if (event != 0) {
        ::ptrace(PTRACE_CONT, tid, nullptr, nullptr);
    } else if (signal != SIGSTOP) {
        ::ptrace(PTRACE_CONT, tid, nullptr, static_cast<long>(signal));
    } else {
        // Of two SIGSTOPs for one thread the kernel keeps the first: theirs stands for ours too.
        const bool ours = sent_by_kernel(tid);
        if (!on_hold_(tid))
            ::ptrace(PTRACE_CONT, tid, nullptr, ours ? 0L : static_cast<long>(signal));
        else if (!ours)
            stop_again_.insert(tid);
    }
}

void Tracer::resume(pid_t tid) {
    long signal = stop_again_.erase(tid) ? SIGSTOP : 0;
    ::ptrace(PTRACE_CONT, tid, nullptr, signal);
}

} // namespace retrograde
