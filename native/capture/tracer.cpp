#include "capture/tracer.h"

#include "base/clock.h"
#include "capture/process_facts.h"
#include "capture/requirements.h"
#include "capture/signal_recorder.h"

#include <algorithm>
#include <csignal>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

namespace retrograde {

namespace {

constexpr long options = PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE;

// Whether the SIGSTOP that a thread has stopped with came from an eBPF program (bpf_send_signal sends as the kernel).
bool sent_by_kernel(pid_t tid) {
    siginfo_t info{};
    return ::ptrace(PTRACE_GETSIGINFO, tid, nullptr, &info) == 0 && info.si_code == SI_KERNEL;
}

} // namespace

Tracer::Tracer(Handlers handlers) : handlers_(std::move(handlers)) {}

void Tracer::attach(pid_t pid) {
    if (::ptrace(PTRACE_SEIZE, pid, nullptr, options | (handlers_.on_exec ? PTRACE_O_TRACEEXEC : 0)) != 0)
        throw attach_failure(pid, errno);
    tracees_.insert(pid);
}

bool Tracer::handle_stops() {
    bool any = false;
    int status;
    for (pid_t tid; (tid = ::waitpid(-1, &status, __WALL | WNOHANG)) > 0; any = true) {
        if (WIFSTOPPED(status)) {
            const bool is_new = tracees_.insert(tid).second;
            if (is_new && status >> 16 == PTRACE_EVENT_STOP && handlers_.on_start)
                handlers_.on_start(tid);
            else
                handle_stop(tid, status);
        } else {
            tracees_.erase(tid);
            stop_again_.erase(tid);
            stale_steps_.erase(tid);
            if (stepping_.erase(tid))
                handlers_.at_handler(tid, false);
            handlers_.on_end(tid, status);
        }
    }
    return any;
}

// A thread may be killed while it is stopped, so that every request can fail with ESRCH: its end is reported next.
void Tracer::handle_stop(pid_t tid, int status) {
    const int signal = WSTOPSIG(status), event = status >> 16;
    if (stepping_.erase(tid)) {
        if (was_handler_stop(tid, status)) {
            ::ptrace(PTRACE_CONT, tid, nullptr, nullptr);
            return;
        }
        stale_steps_.insert(tid);
    } else if (event == 0 && stale_steps_.contains(tid) && handler_stop(tid, status) != HandlerStop::other) {
        stale_steps_.erase(tid);
        ::ptrace(PTRACE_CONT, tid, nullptr, nullptr);
        return;
    }
    if (event == PTRACE_EVENT_STOP) {
        bool group_stop = signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU;
        ::ptrace(group_stop ? PTRACE_LISTEN : PTRACE_CONT, tid, nullptr, nullptr);
    } else if (event == PTRACE_EVENT_EXEC) {
        handlers_.on_exec(tid);
    } else if (event != 0) {
        ::ptrace(PTRACE_CONT, tid, nullptr, nullptr);
    } else if (signal != SIGSTOP) {
        handle_signal(tid, signal);
    } else {
        // Of two SIGSTOPs for one thread the kernel keeps the first: theirs stands for ours too.
        const bool ours = sent_by_kernel(tid);
        if (!handlers_.on_hold(tid)) {
            if (ours)
                deliver(tid, 0);
            else
                handle_signal(tid, signal);
        } else if (!ours) {
            stop_again_.insert(tid);
        }
    }
}

// Returns whether that was all there is to the stop.
bool Tracer::was_handler_stop(pid_t tid, int status) {
    const HandlerStop stop = handler_stop(tid, status);
    handlers_.at_handler(tid, stop == HandlerStop::at_handler);
    return stop != HandlerStop::other;
}

void Tracer::handle_signal(pid_t tid, int signal) {
    if (handlers_.on_signal)
        handlers_.on_signal(tid, signal);
    else
        deliver(tid, signal);
}

void Tracer::deliver(pid_t tid, int signal) {
    ::ptrace(PTRACE_CONT, tid, nullptr, static_cast<long>(signal));
}

void Tracer::step_into_handler(pid_t tid, int signal) {
    stepping_.insert(tid);
    ::ptrace(PTRACE_SINGLESTEP, tid, nullptr, static_cast<long>(signal));
}

void Tracer::detach_all(const std::function<int(pid_t tid, int signal)> &last_rites, std::uint64_t timeout_ns) {
    const std::uint64_t deadline = now_ns() + timeout_ns;
    for (const pid_t tid : tracees_)
        ::ptrace(PTRACE_INTERRUPT, tid, nullptr, nullptr);
    while (!tracees_.empty() && now_ns() < deadline) {
        int status;
        const pid_t tid = ::waitpid(-1, &status, __WALL | WNOHANG);
        if (tid <= 0) {
            if (tid < 0 && errno != EINTR)
                return;
            ::usleep(100);
            continue;
        }
        tracees_.erase(tid);
        if (!WIFSTOPPED(status)) {
            handlers_.on_end(tid, status);
            continue;
        }
        const int event = status >> 16, signal = WSTOPSIG(status);
        const bool step = stepping_.erase(tid) && signal == SIGTRAP;
        const int passed_on = last_rites(tid, event == 0 && !step ? signal : 0);
        ::ptrace(PTRACE_DETACH, tid, nullptr, static_cast<long>(passed_on));
    }
}

bool Tracer::others_wait(pid_t running) const {
    return std::any_of(tracees_.begin(), tracees_.end(),
                       [=](pid_t tid) { return tid != running && thread_state(tid) == 'R'; });
}

void Tracer::interrupt(pid_t tid) {
    ::ptrace(PTRACE_INTERRUPT, tid, nullptr, nullptr);
}

void Tracer::resume(pid_t tid) {
    deliver(tid, stop_again_.erase(tid) ? SIGSTOP : 0);
}

} // namespace retrograde
