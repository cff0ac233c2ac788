#include "capture/tracer.h"

#include "base/failure.h"

#include <csignal>
#include <sys/ptrace.h>
#include <sys/wait.h>

namespace retrograde {

Tracer::Tracer(HoldHandler on_hold, EndHandler on_end) : on_hold_(std::move(on_hold)), on_end_(std::move(on_end)) {}

void Tracer::attach(pid_t pid) {
    if (::ptrace(PTRACE_SEIZE, pid, nullptr, PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE) != 0)
        throw system_failure("cannot attach to process " + std::to_string(pid), errno, exit_cannot);
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
    } else if (event != 0) {
        ::ptrace(PTRACE_CONT, tid, nullptr, nullptr);
    } else if (signal != SIGSTOP || !on_hold_(tid)) {
        ::ptrace(PTRACE_CONT, tid, nullptr, static_cast<long>(signal));
    }
}

void Tracer::resume(pid_t tid) { ::ptrace(PTRACE_CONT, tid, nullptr, nullptr); }

void Tracer::detach() {
    // PTRACE_DETACH works on a stopped thread alone: interrupt all, then detach each at whatever stop it reports.
    for (pid_t tid : tracees_)
        ::ptrace(PTRACE_INTERRUPT, tid, nullptr, nullptr);
    int status;
    while (!tracees_.empty()) {
        pid_t tid = ::waitpid(-1, &status, __WALL);
        if (tid < 0 && errno == EINTR)
            continue;
        if (tid < 0)
            break;
        if (!WIFSTOPPED(status)) {
            tracees_.erase(tid);
            on_end_(tid, status);
            continue;
        }
        const int signal = WSTOPSIG(status), event = status >> 16;
        bool deliver = event == 0 && (signal != SIGSTOP || !on_hold_(tid));
        ::ptrace(PTRACE_DETACH, tid, nullptr, static_cast<long>(deliver ? signal : 0));
        tracees_.erase(tid);
    }
}

} // namespace retrograde
