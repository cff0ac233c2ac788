// The ptrace back end: needs no privileges beyond those over the target itself, at two stops a system call.
//
// No seccomp filter makes it stop at fewer calls where some are selected: a filter outlives its tracer, and whatever it
// hands to a tracer that is gone fails with ENOSYS (seccomp(2), SECCOMP_RET_TRACE). A target must survive us.
#include "capture/ptrace_backend.h"

#include "capture/requirements.h"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <sys/wait.h>

namespace retrograde {

namespace {

constexpr long trace_options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
                               PTRACE_O_TRACEEXEC | PTRACE_O_TRACEEXIT;
constexpr std::uint64_t orphan_ns = 200'000'000; // how long a child waits for its parent's word
constexpr std::uint64_t detach_wait_ns = 2'000'000'000;

void do_nothing(int) {}

} // namespace

void PtraceTicker::start(std::uint64_t tick_ns) {
    struct sigaction action {};
    action.sa_handler = do_nothing; // without SA_RESTART
    ::sigaction(SIGALRM, &action, &old_action_);
    sigevent event{};
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = SIGALRM;
    event._sigev_un._tid = ::gettid(); // the thread that waits: sigev_notify_thread_id, which glibc 2.36 lacks
    if (::timer_create(CLOCK_MONOTONIC, &event, &timer_) != 0)
        throw system_failure("cannot make a timer");
    started_ = true;
    const auto tick = static_cast<long>(tick_ns);
    const itimerspec period{{0, tick}, {0, tick}};
    ::timer_settime(timer_, 0, &period, nullptr);
}

void PtraceTicker::stop() {
    if (!std::exchange(started_, false))
        return;
    ::timer_delete(timer_);
    ::sigaction(SIGALRM, &old_action_, nullptr);
}

// ---- attaching ----

void PtraceBackend::attach(Target *target) {
    target_ = target;
    for (pid_t pid : options_.pids)
        attach_process(pid);
    if (target) {
        seize(target->pid(), target->pid());
        threads_[target->pid()].awaits_execve = true;
    }
    // From here on every thread reports its calls, once it has been stopped for the first time.
    for (const auto &[tid, thread] : threads_)
        ::ptrace(PTRACE_INTERRUPT, tid, nullptr, nullptr);
    ticker_.start(ptrace_tick_ns);
    if (!target)
        return;
    if (replay_)
        replay_->belief().begin_with(*target->serialisation());
    if (target->serialisation())
        target->serialisation()->take_turns_with(target->pid());
    // Waited for, and not taken.
    sigset_t child;
    ::sigemptyset(&child);
    ::sigaddset(&child, SIGCHLD);
    ::sigprocmask(SIG_BLOCK, &child, nullptr);
    // The command is released when it is sure that its execve will be reported.
    const pid_t pid = target->pid();
    int status;
    pid_t stopped;
    do
        stopped = ::waitpid(pid, &status, __WALL);
    while (stopped < 0 && errno == EINTR);
    if (stopped == pid)
        handle(pid, status);
}

void PtraceBackend::seize(pid_t tid, pid_t pid) {
    if (threads_.count(tid))
        return;
    if (::ptrace(PTRACE_SEIZE, tid, nullptr, trace_options) != 0)
        throw attach_failure(tid, errno);
    Thread &thread = threads_[tid];
    thread.pid = pid;
    Process &process = processes_[pid];
    if (process.live_threads++ == 0) {
        const ProcessFacts facts = read_process_facts(pid);
        for (int signal = 1; signal <= 64; signal++)
            process.handlers[signal] = facts.ignored >> (signal - 1) & 1  ? 1
                                       : facts.caught >> (signal - 1) & 1 ? ~0ull
                                                                          : 0;
    }
}

void PtraceBackend::attach_process(pid_t pid) {
    const ProcessFacts facts = read_process_facts(pid);
    if (!facts.found)
        throw attach_failure(pid, ESRCH);
    // Threads that appear meanwhile are children of threads that we have, or are found by the next look.
    for (bool any_new = true; any_new;) {
        any_new = false;
        for (pid_t tid : threads_of(facts.pid)) {
            if (threads_.count(tid) || read_process_facts(tid).tracer == ::getpid())
                continue;
            try {
                seize(tid, facts.pid);
                any_new = true;
            } catch (const Failure &) {
                const ProcessFacts now = read_process_facts(tid);
                if (now.found && now.tracer != ::getpid())
                    throw; // else it has ended, or came to us by its parent
            }
        }
    }
}

// ---- stops ----

bool PtraceBackend::poll(std::uint64_t timeout_ns) {
    const std::uint64_t begin = now_ns();
    int status;
    while (!threads_.empty()) {
        const pid_t tid = wait_for_stop(status);
        if (tid > 0)
            handle(tid, status);
        else if (tid < 0 && errno != EINTR)
            break;
        const std::uint64_t now = now_ns();
        if (!orphans_.empty())
            adopt_orphans(now);
        if (now - begin >= timeout_ns)
            break;
    }
    return !threads_.empty();
}

// A thread may be killed while it is stopped, so that every request can fail with ESRCH: its end is reported next.
void PtraceBackend::handle(pid_t tid, int status) {
    if (!WIFSTOPPED(status)) {
        handle_end(tid, status);
        return;
    }
    auto found = threads_.find(tid);
    if (found == threads_.end()) {
        orphans_[tid] = {status, now_ns()};
        return;
    }
    Thread &thread = found->second;
    const int signal = WSTOPSIG(status), event = status >> 16;
    if (waits_for_turn(tid, status)) {
        thread.stop = status;
        return;
    }
    if (was_handler_stop(tid, thread, status)) {
        resume(tid);
        return;
    }
    switch (event) {
    case 0:
        if (signal == (SIGTRAP | 0x80)) {
            on_syscall_stop(tid, thread);
            resume(tid);
        } else {
            deliver(tid, thread, signal);
        }
        return;
    case PTRACE_EVENT_STOP:
        on_first_stop(tid, thread);
        if (is_group_stop(signal)) {
            if (turns_.current() == tid)
                lose_turn(tid, thread, true);
            ::ptrace(PTRACE_LISTEN, tid, nullptr, nullptr);
        } else {
            resume(tid);
        }
        return;
    case PTRACE_EVENT_FORK:
    case PTRACE_EVENT_VFORK:
    case PTRACE_EVENT_CLONE:
        on_new_child(tid, thread);
        break;
    case PTRACE_EVENT_EXEC:
        on_exec(tid);
        break;
    case PTRACE_EVENT_EXIT: {
        unsigned long end_status = 0;
        ::ptrace(PTRACE_GETEVENTMSG, tid, nullptr, &end_status);
        on_thread_end(tid, thread, static_cast<int>(end_status));
        turns_.forget(tid);
        ::ptrace(PTRACE_CONT, tid, nullptr, nullptr);
        if (replay_ && threads_.size() > 1)
            wait_until_dead(tid);
        return;
    }
    default:
        break;
    }
    resume(tid);
}

// Lets a thread go on, when its turn has come.
void PtraceBackend::resume(pid_t tid, int signal) {
    if (wants_turn(tid))
        resume_now(tid, signal);
}

void PtraceBackend::handle_end(pid_t tid, int status) {
    orphans_.erase(tid);
    auto found = threads_.find(tid);
    if (found != threads_.end()) {
        on_thread_end(tid, found->second, status);
        turns_.forget(tid);
        const pid_t pid = found->second.pid;
        threads_.erase(found);
        if (auto process = processes_.find(pid); process != processes_.end() && process->second.live_threads == 0)
            processes_.erase(process);
    }
    if (target_ && tid == target_->pid())
        target_->ended(status);
}

// A parent that was killed before it could tell of its child leaves a child that nobody else will adopt.
void PtraceBackend::adopt_orphans(std::uint64_t now) {
    for (auto at = orphans_.begin(); at != orphans_.end();) {
        const auto [tid, orphan] = *at;
        if (now - orphan.since < orphan_ns) {
            ++at;
            continue;
        }
        at = orphans_.erase(at);
        const ProcessFacts facts = read_process_facts(tid);
        const pid_t parent = facts.pid != tid ? facts.pid : facts.parent;
        auto known = threads_.find(parent);
        Thread unknown;
        unknown.pid = parent;
        add_child(tid, parent, known != threads_.end() ? known->second : unknown, facts);
        handle(tid, orphan.status);
        at = orphans_.begin();
    }
}

// ---- the end ----

// Detaches from a stopped thread, whose last stop is recorded still.
void PtraceBackend::let_go(pid_t tid, Thread &thread, int status) {
    const int signal = WSTOPSIG(status), event = status >> 16;
    int passed_on = 0;
    if (was_handler_stop(tid, thread, status)) {
        // that was all
    } else if (event == 0 && signal == (SIGTRAP | 0x80)) {
        on_syscall_stop(tid, thread);
    } else if (event == 0) {
        const auto trap = carry_out(tid, signal);
        if (trap) {
            writer_.add(wire_event(*trap));
        } else if (!replay_ || !replay_->is_stale_trap(tid, signal)) {
            on_signal(tid, thread, signal);
            passed_on = signal;
        }
    } else if (event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK || event == PTRACE_EVENT_CLONE) {
        on_new_child(tid, thread);
    } else if (event == PTRACE_EVENT_STOP) {
        on_first_stop(tid, thread);
    }
    write_cut_off(thread);
    if (replay_)
        replay_->let_go(thread.pid, tid);
    ::ptrace(PTRACE_DETACH, tid, nullptr, static_cast<long>(passed_on));
    threads_.erase(tid);
}

void PtraceBackend::detach() {
    detaching_ = true;
    // Those that wait for their turn have reported their stop already.
    while (const pid_t tid = turns_.next()) {
        turns_.forget(tid);
        if (auto found = threads_.find(tid); found != threads_.end()) {
            const int stop = found->second.stop;
            let_go(tid, found->second, stop ? stop : SIGTRAP << 8 | PTRACE_EVENT_STOP << 16);
        }
    }
    // PTRACE_DETACH works on a stopped thread alone: interrupt all, then detach each at whatever stop it reports.
    for (const auto &[tid, thread] : threads_)
        ::ptrace(PTRACE_INTERRUPT, tid, nullptr, nullptr);
    const std::uint64_t deadline = now_ns() + detach_wait_ns;
    for (const auto &[tid, orphan] : orphans_)
        ::ptrace(PTRACE_DETACH, tid, nullptr, nullptr);
    orphans_.clear();
    // Who does not stop in time (in vfork, or asleep in the kernel) is let go when this program ends.
    while (!threads_.empty() && now_ns() < deadline) {
        int status;
        const pid_t tid = ::waitpid(-1, &status, __WALL);
        if (tid < 0 && errno == EINTR)
            continue;
        if (tid < 0)
            break;
        auto found = threads_.find(tid);
        if (found == threads_.end()) {
            if (WIFSTOPPED(status))
                ::ptrace(PTRACE_DETACH, tid, nullptr, nullptr);
            continue;
        }
        if (!WIFSTOPPED(status)) {
            handle_end(tid, status);
            continue;
        }
        let_go(tid, found->second, status);
    }
    for (auto &[tid, thread] : threads_)
        write_cut_off(thread);
    threads_.clear();
    ticker_.stop();
}

std::unique_ptr<Backend> make_ptrace_backend(const Options &options, EventWriter &writer, const std::string &folder) {
    if (options.switches)
        throw Failure("ptrace does not see context switches (--switches): run as root so that eBPF can be used",
                      exit_cannot);
    std::string asked;
    auto ask = [&](bool is_asked, const char *option) {
        if (is_asked)
            asked += (asked.empty() ? "" : ", ") + std::string(option);
    };
    ask(!options.comms.empty(), "--comm");
    ask(!options.cgroups.empty(), "--cgroup");
    ask(options.whole_system, "--all");
    if (!asked.empty())
        throw Failure("ptrace cannot watch for processes that nobody named (" + asked +
                          "): run as root so that eBPF can, or name the processes with --pid, or start a command",
                      exit_cannot);
    return std::make_unique<PtraceBackend>(options, writer, folder);
}

} // namespace retrograde
