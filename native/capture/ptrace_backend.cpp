// The ptrace back end: needs no privileges beyond those over the target itself, at two stops a system call.
//
// No seccomp filter makes it stop at fewer calls where some are selected: a filter outlives its tracer, and whatever it
// hands to a tracer that is gone fails with ENOSYS (seccomp(2), SECCOMP_RET_TRACE). A target must survive us.
#include "base/failure.h"
#include "capture/affinity.h"
#include "capture/backend.h"
#include "capture/memory_copier.h"
#include "capture/process_facts.h"
#include "capture/registers.h"
#include "capture/replay_state.h"
#include "capture/requirements.h"
#include "capture/signal_recorder.h"
#include "capture/syscall_table.h"
#include "capture/trapped_instructions.h"
#include "capture/turns.h"

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <elf.h>
#include <linux/audit.h>
#include <linux/sched.h>
#include <map>
#include <memory>
#include <optional>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unordered_map>
#include <utility>
#include <vector>

namespace retrograde {

namespace {

constexpr long trace_options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
                               PTRACE_O_TRACEEXEC | PTRACE_O_TRACEEXIT;
constexpr std::uint64_t tick_ns = 20'000'000;       // how long a wait for stops lasts at most
constexpr std::uint64_t time_slice_ns = 20'000'000; // that a thread runs for where others wait for their turn
constexpr std::uint64_t patience_ns = 50'000;       // with a call, before another thread may run
constexpr std::uint64_t orphan_ns = 200'000'000;    // how long a child waits for its parent's word
constexpr std::uint64_t detach_wait_ns = 2'000'000'000;
constexpr std::int64_t ERESTARTSYS = 512, ERESTART_RESTARTBLOCK = 516; // include/linux/errno.h: seen by tracers alone
constexpr std::size_t max_arguments = 8 << 20;                         // exec takes 6 MiB at most
#if defined(__x86_64__)
constexpr std::uint32_t native_arch = AUDIT_ARCH_X86_64;
#else
constexpr std::uint32_t native_arch = AUDIT_ARCH_AARCH64;
#endif

using Stopped = std::pair<pid_t, int>; // tid and wait status

struct Process {
    std::array<std::uint64_t, 65>
        handlers{}; // by signal: SIG_DFL, SIG_IGN or an address; ~0 where only known as caught
    unsigned live_threads = 0;
};

struct Thread {
    pid_t pid = 0;
    rg_event call{};        // the call it is in, or was in last
    rg_event interrupted{}; // the call that restart_syscall continues
    std::uint64_t deref = 0, interrupted_deref = 0;
    SavedMemory saved;
    bool in_call = false;       // `call` has begun, is wanted and has not been written
    bool awaits_execve = false; // a started command before its first execve: not recorded yet
    bool in_kernel = false;     // between the two stops of a call
    bool slice_over = false;    // it has had its turn, where others wait for theirs
    int stop = 0;               // its wait status, to be handled when its turn comes
    bool stepping = false;      // on the way to a signal handler's first instruction
    bool fresh = false;         // a child that has not left the call that made it
    bool ended = false;         // its EXIT has been written
};

bool is_group_stop(int signal) {
    return signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU;
}

// Whether a signal with the default action does nothing (signal(7)).
bool ignored_by_default(int signal) {
    return signal == SIGCHLD || signal == SIGURG || signal == SIGWINCH || signal == SIGCONT;
}

rg_segment text_segment(unsigned arg, const std::string &text) {
    rg_segment segment{};
    segment.arg = static_cast<__u8>(arg);
    segment.length = static_cast<__u32>(text.size());
    segment.full_length = text.size();
    return segment;
}

SegmentView text_view(unsigned arg, const std::string &text) {
    return {text_segment(arg, text), reinterpret_cast<const unsigned char *>(text.data())};
}

std::string comm_of(pid_t tid) {
    std::string comm = read_proc_file(tid, "comm", 64);
    if (!comm.empty() && comm.back() == '\n')
        comm.back() = '\0'; // as the eBPF back end has it
    return comm;
}

// As far as the eBPF back end has them (see the format, REGISTERS).
std::vector<unsigned char> switch_registers(pid_t tid) {
    std::vector<unsigned char> registers = read_register_set(tid, NT_PRSTATUS);
#if defined(__x86_64__)
    registers.resize(std::min(registers.size(), 21 * sizeof(std::uint64_t)));
#endif
    return registers;
}

void do_nothing(int) {}

// Ends a waitpid() that has nothing to wait for: a signal every tick. (A wait with a time limit of its own does not
// exist, and waiting for SIGCHLD first would double the cost of a stop.)
class Ticker {
  public:
    void start() {
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
        const itimerspec period{{0, tick_ns}, {0, tick_ns}};
        ::timer_settime(timer_, 0, &period, nullptr);
    }
    void stop() {
        if (!std::exchange(started_, false))
            return;
        ::timer_delete(timer_);
        ::sigaction(SIGALRM, &old_action_, nullptr);
    }
    ~Ticker() { stop(); }

  private:
    timer_t timer_{};
    struct sigaction old_action_ {};
    bool started_ = false;
};

class PtraceBackend : public Backend {
  public:
    PtraceBackend(const Options &options, EventWriter &writer, const std::string &folder)
        : options_(options), writer_(writer), copier_(options, writer) {
        if (is_replayable(options))
            replay_.emplace(writer, folder);
    }

    void attach(Target *target) override;
    bool poll(std::uint64_t timeout_ns) override;
    void detach() override;
    std::vector<Unfaithful> unfaithful() const override {
        return replay_ ? replay_->unfaithful().all() : std::vector<Unfaithful>();
    }

  private:
    void attach_process(pid_t pid);
    void seize(pid_t tid, pid_t pid);

    void handle(pid_t tid, int status);
    void handle_end(pid_t tid, int status);
    void adopt_orphans(std::uint64_t now);

    void on_syscall_stop(pid_t tid, Thread &thread);
    void on_enter(pid_t tid, Thread &thread, const __ptrace_syscall_info &info);
    void on_exit_of_call(Thread &thread, const __ptrace_syscall_info &info);
    void show_all_cpus(const rg_event &call) const;
    void on_new_child(pid_t tid, Thread &thread);
    void add_child(pid_t tid, pid_t parent_tid, const Thread &parent, const ProcessFacts &facts);
    void on_first_stop(pid_t tid, Thread &thread);
    void on_exec(pid_t tid);
    void on_thread_end(pid_t tid, Thread &thread, int status);
    void on_signal(pid_t tid, Thread &thread, int signal);
    void deliver(pid_t tid, Thread &thread, int signal);
    bool was_handler_stop(pid_t tid, Thread &thread, int status);
    std::uint64_t handler_of(const Thread &thread, int signal);
    void note_handler(pid_t tid, const Thread &thread, std::int64_t result);
    void write_cut_off(Thread &thread);
    void let_go(pid_t tid, Thread &thread, int status);
    void resume(pid_t tid, int signal = 0);
    void resume_now(pid_t tid, int signal = 0) { ::ptrace(PTRACE_SYSCALL, tid, nullptr, static_cast<long>(signal)); }

    // Serialised: one thread runs in user mode at a time.
    pid_t wait_for_stop(int &status);
    bool wants_turn(pid_t tid);
    void begin_turn();
    void lose_turn(pid_t tid, const Thread &thread, bool waits);
    bool waits_for_turn(pid_t tid, int status);
    void wait_until_dead(pid_t tid) const;
    char state_of(pid_t tid) const;

    rg_event event_of(pid_t tid, const Thread &thread, rg_kind kind, int nr) const;
    // The numbers of 32-bit calls are others: those are all wanted, so that none is missed.
    bool wanted(int nr, bool native) const {
        return !options_.syscalls || !native ||
               (nr >= 0 && nr < RG_MAX_SYSCALLS && options_.syscalls->test(static_cast<std::size_t>(nr)));
    }
    std::string exec_filename(pid_t tid, const Thread &thread) const;
    void warn_of_lost_privileges(pid_t pid);

    const Options &options_;
    EventWriter &writer_;
    MemoryCopier copier_;
    std::optional<ReplayState> replay_; // of a command that is recorded from its start
    SignalRecorder signals_;
    Turns turns_;
    Target *target_ = nullptr;
    Ticker ticker_;
    std::unordered_map<pid_t, Thread> threads_;
    std::unordered_map<pid_t, Process> processes_;
    struct Orphan {
        int status;
        std::uint64_t since;
    };
    std::map<pid_t, Orphan> orphans_; // children that stopped before their parent told of them
    bool warned_of_privileges_ = false, detaching_ = false;
};

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
    ticker_.start();
    if (!target)
        return;
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

// ---- turns ----

// Whether a stop is to be handled when the thread's turn comes: rows are written in the order in which threads run.
bool PtraceBackend::waits_for_turn(pid_t tid, int status) {
    const int event = status >> 16;
    const bool group_stop = event == PTRACE_EVENT_STOP && is_group_stop(WSTOPSIG(status));
    // What others may be waiting for: a child that is told of, an end.
    if (!replay_ || detaching_ || turns_.current() == tid || group_stop || (event != 0 && event != PTRACE_EVENT_STOP))
        return false;
    if (turns_.current() == 0 && !turns_.others_wait()) {
        turns_.begin(tid, now_ns());
        return false;
    }
    turns_.wait(tid);
    return true;
}

// A thread that ends clears a word of its memory, which others may look at: they go on when it has.
void PtraceBackend::wait_until_dead(pid_t tid) const {
    const std::uint64_t deadline = now_ns() + tick_ns;
    while (now_ns() < deadline && !std::strchr("ZX", state_of(tid)))
        ::sched_yield();
}

// Whether the thread may go on now; else it waits for its turn.
bool PtraceBackend::wants_turn(pid_t tid) {
    if (!replay_ || detaching_)
        return true;
    Thread &thread = threads_[tid];
    if (turns_.current() == tid) {
        const bool has_run_long = thread.slice_over || now_ns() - turns_.since() >= time_slice_ns;
        const bool yields = has_run_long && !thread.in_kernel && turns_.others_wait();
        thread.slice_over = false;
        if (!yields)
            return true;
        lose_turn(tid, thread, false);
    } else if (turns_.current() == 0 && !turns_.others_wait()) {
        turns_.begin(tid, now_ns());
        return true;
    }
    turns_.wait(tid);
    return false;
}

void PtraceBackend::begin_turn() {
    const pid_t tid = turns_.next();
    turns_.begin(tid, now_ns());
    Thread &thread = threads_[tid];
    if (const int stop = std::exchange(thread.stop, 0))
        handle(tid, stop);
    else
        resume_now(tid);
}

// The row tells how far the thread has come before another runs.
void PtraceBackend::lose_turn(pid_t tid, const Thread &thread, bool waits) {
    turns_.end();
    if (threads_.size() < 2)
        return;
    rg_event event = event_of(tid, thread, RG_SWITCH, -1);
    event.args[0] = static_cast<__u64>(turns_.next());
    event.args[1] = waits;
    event.args[2] = thread.in_kernel;
    WireRecordBuilder row(event);
    if (!thread.in_kernel)
        row.add(RG_SEG_REGISTERS, 0, 0, switch_registers(tid));
    writer_.add(wire_event(row.take()));
}

// As /proc/PID/stat has it; X where the thread is gone.
char PtraceBackend::state_of(pid_t tid) const {
    const std::string stat = read_proc_file(tid, "stat", 512);
    const std::size_t name_end = stat.rfind(')');
    return name_end != std::string::npos && name_end + 2 < stat.size() ? stat[name_end + 2] : 'X';
}

// Waits for a stop. Returns 0 where there is something else to see to.
pid_t PtraceBackend::wait_for_stop(int &status) {
    if (!turns_.others_wait())
        return ::waitpid(-1, &status, __WALL);
    const pid_t current = turns_.current();
    auto found = threads_.find(current);
    if (current == 0 || found == threads_.end()) {
        turns_.end();
        begin_turn();
        return 0;
    }
    Thread &thread = found->second;
    if (!thread.in_kernel) {
        const pid_t tid = ::waitpid(-1, &status, __WALL);
        if (tid < 0 && errno == EINTR && !thread.slice_over && now_ns() - turns_.since() >= time_slice_ns) {
            thread.slice_over = true;
            ::ptrace(PTRACE_INTERRUPT, current, nullptr, nullptr);
        }
        return tid;
    }
    // A call that does not come back at once may wait for what another thread does.
    const std::uint64_t begin = now_ns();
    pid_t tid;
    while ((tid = ::waitpid(-1, &status, __WALL | WNOHANG)) == 0) {
        if (now_ns() - begin > patience_ns && std::strchr("SDI", state_of(current))) {
            lose_turn(current, thread, true);
            begin_turn();
            return 0;
        }
        ::sched_yield();
    }
    return tid;
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

// ---- system calls ----

rg_event PtraceBackend::event_of(pid_t tid, const Thread &thread, rg_kind kind, int nr) const {
    rg_event event{};
    event.size = sizeof event;
    event.kind = static_cast<__u8>(kind);
    event.pid = static_cast<__u32>(thread.pid);
    event.tid = static_cast<__u32>(tid);
    event.nr = nr;
    event.enter = event.exit = now_ns();
    return event;
}

void PtraceBackend::on_syscall_stop(pid_t tid, Thread &thread) {
    __ptrace_syscall_info info{};
    if (::ptrace(static_cast<__ptrace_request>(PTRACE_GET_SYSCALL_INFO), tid, sizeof info, &info) <= 0) {
        if (errno == EIO || errno == EINVAL)
            throw Failure("this kernel cannot tell a tracer about system calls: PTRACE_GET_SYSCALL_INFO came with "
                          "Linux 5.3; use a newer kernel, or run as root so that eBPF can be used",
                          exit_cannot);
        return; // killed meanwhile
    }
    if (info.op == PTRACE_SYSCALL_INFO_ENTRY)
        on_enter(tid, thread, info);
    else if (info.op == PTRACE_SYSCALL_INFO_EXIT)
        on_exit_of_call(thread, info);
}

void PtraceBackend::on_enter(pid_t tid, Thread &thread, const __ptrace_syscall_info &info) {
    const int nr = static_cast<int>(info.entry.nr);
    thread.in_kernel = true;
    thread.call = event_of(tid, thread, RG_SYSCALL, nr);
    thread.call.flags = info.arch == native_arch ? 0 : RG_COMPAT;
    std::copy_n(info.entry.args, 6, thread.call.args);
    thread.in_call = false;
    if (thread.awaits_execve) {
        if (nr != SYS_execve)
            return;
        thread.awaits_execve = false;
    }
    const bool native = !(thread.call.flags & RG_COMPAT);
    // The memory of an exec is wanted for its EXEC record too.
    if (native)
        thread.saved = copier_.save_at_enter(thread.call);
    if (!wanted(nr, native))
        return;
    const rg_plan *plan = native ? plan_for(nr, thread.call.args) : nullptr;
    if (plan && (plan->flags & RG_PLAN_NORETURN)) {
        rg_event event = thread.call;
        event.kind = RG_ENTER;
        writer_.add(event, {});
        return;
    }
    if (native)
        thread.deref = copier_.deref_value(tid, nr, thread.call.args);
    thread.in_call = true;
    thread.call.enter = now_ns();
}

void PtraceBackend::on_exit_of_call(Thread &thread, const __ptrace_syscall_info &info) {
    const auto tid = static_cast<pid_t>(thread.call.tid);
    thread.in_kernel = false;
    thread.slice_over |= thread.call.nr == SYS_sched_yield;
    if (thread.call.nr == SYS_rt_sigaction && !(thread.call.flags & RG_COMPAT))
        note_handler(tid, thread, info.exit.rval);
    // It was our detaching that interrupted the call: the program is still in it.
    if (detaching_ && info.exit.rval <= -ERESTARTSYS && info.exit.rval >= -ERESTART_RESTARTBLOCK)
        write_cut_off(thread);
    if (thread.in_call) {
        thread.in_call = false;
        thread.call.exit = now_ns();
        thread.call.result = info.exit.rval;
        if (replay_) {
            replay_->look_at(thread.call);
            if (ReplayState::has_mapped(thread.call))
                replay_->write_mapped(thread.call);
            if (is_affinity(thread.call))
                show_all_cpus(thread.call);
        }
        if (thread.call.nr == SYS_restart_syscall && !(thread.call.flags & RG_COMPAT))
            copier_.add_continued(thread.call, thread.interrupted, thread.interrupted_deref);
        else
            copier_.add(thread.call, thread.deref, &thread.saved);
        if (info.exit.rval == -ERESTART_RESTARTBLOCK && thread.call.nr != SYS_restart_syscall) {
            thread.interrupted = thread.call;
            thread.interrupted_deref = thread.deref;
        }
    }
    thread.saved = {};
    thread.deref = 0;
}

// The program sees the CPUs that it would have without us.
void PtraceBackend::show_all_cpus(const rg_event &call) const {
    const auto asked = static_cast<pid_t>(call.args[0]);
    if (asked == 0 || threads_.contains(asked))
        write_affinity(call, target_->serialisation()->allowed());
}

// A call that will never end as far as the recording goes.
void PtraceBackend::write_cut_off(Thread &thread) {
    if (!std::exchange(thread.in_call, false))
        return;
    thread.call.kind = RG_ENTER;
    thread.call.exit = thread.call.enter;
    thread.call.result = 0;
    writer_.add(thread.call, {});
}

void PtraceBackend::note_handler(pid_t tid, const Thread &thread, std::int64_t result) {
    std::uint64_t handler = 0;
    const std::uint64_t signal = thread.call.args[0];
    if (result != 0 || thread.call.args[1] == 0 || signal > 64)
        return;
    if (ProcessMemory(tid).get(thread.call.args[1], handler))
        processes_[thread.pid].handlers[signal] = handler;
}

// ---- processes ----

void PtraceBackend::on_new_child(pid_t tid, Thread &thread) {
    unsigned long message = 0;
    if (::ptrace(PTRACE_GETEVENTMSG, tid, nullptr, &message) != 0 || message == 0)
        return;
    const auto child = static_cast<pid_t>(message);
    if (threads_.count(child))
        return;
    add_child(child, tid, thread, read_process_facts(child));
    if (auto orphan = orphans_.find(child); orphan != orphans_.end()) {
        const int status = orphan->second.status;
        orphans_.erase(orphan);
        if (detaching_)
            let_go(child, threads_[child], status);
        else
            handle(child, status);
    }
}

void PtraceBackend::add_child(pid_t tid, pid_t parent_tid, const Thread &parent, const ProcessFacts &facts) {
    Thread child;
    child.pid = facts.found ? facts.pid : tid;
    child.fresh = true;
    child.awaits_execve = parent.awaits_execve;
    child.call = parent.call;
    child.in_call = parent.in_call;
    const pid_t parent_pid = parent.pid;
    if (child.pid != parent_pid) {
        Process process;
        process.handlers = processes_[parent_pid].handlers;
        processes_[child.pid] = process;
    }
    processes_[child.pid].live_threads++;

    rg_event event = event_of(tid, child, RG_FORK, -1);
    event.args[0] = static_cast<__u64>(parent_tid);
    event.args[1] = static_cast<__u64>(parent_pid);
    event.args[2] = facts.uid;
    event.args[3] = facts.gid;
    event.args[4] = cgroup_id(tid);
    child.call.pid = static_cast<__u32>(child.pid);
    child.call.tid = static_cast<__u32>(tid);
    child.call.enter = event.exit;
    const bool recorded = !child.awaits_execve;
    threads_[tid] = std::move(child);
    if (!recorded)
        return;
    const std::string comm = comm_of(tid);
    const SegmentView segments[] = {text_view(RG_SEG_COMM, comm)};
    writer_.add(event, segments);
}

// A child leaves the call that made it, with the result 0, but ptrace reports no such exit.
void PtraceBackend::on_first_stop(pid_t, Thread &thread) {
    if (!std::exchange(thread.fresh, false))
        return;
    if (std::exchange(thread.in_call, false)) {
        thread.call.exit = now_ns();
        thread.call.result = 0;
        copier_.add(thread.call, 0);
    }
}

std::string PtraceBackend::exec_filename(pid_t tid, const Thread &thread) const {
    const unsigned filename_arg = thread.call.nr == SYS_execve ? 0 : thread.call.nr == SYS_execveat ? 1 : 6;
    std::size_t offset = 0;
    for (const rg_segment &segment : thread.saved.segments) {
        if (segment.arg == filename_arg && segment.length > 1)
            return {reinterpret_cast<const char *>(thread.saved.bytes.data()) + offset, segment.length};
        offset += segment.length;
    }
    char link[4096];
    ssize_t length = ::readlink(("/proc/" + std::to_string(tid) + "/exe").c_str(), link, sizeof link);
    return length > 0 ? std::string(link, static_cast<std::size_t>(length)) + '\0' : std::string();
}

void PtraceBackend::on_exec(pid_t tid) {
    unsigned long former = 0;
    ::ptrace(PTRACE_GETEVENTMSG, tid, nullptr, &former);
    // A thread other than the main one takes over the main one's id.
    if (auto from = threads_.find(static_cast<pid_t>(former)); former && from != threads_.end() && from->first != tid) {
        Thread moved = std::move(from->second);
        threads_.erase(from);
        moved.call.tid = static_cast<__u32>(tid);
        threads_[tid] = std::move(moved);
        turns_.rename(static_cast<pid_t>(former), tid);
    }
    Thread &thread = threads_[tid];
    Process &process = processes_[thread.pid];
    process.live_threads = 1;
    for (std::uint64_t &handler : process.handlers)
        handler = handler == 1 ? 1 : 0; // handlers are gone, ignored signals stay ignored
    if (thread.awaits_execve)
        return;

    const ProcessFacts facts = read_process_facts(tid);
    rg_event event = event_of(tid, thread, RG_EXEC, -1);
    event.args[0] = former ? former : static_cast<__u64>(tid);
    event.args[2] = facts.uid;
    event.args[3] = facts.gid;
    event.args[4] = cgroup_id(tid);
    const std::string filename = exec_filename(tid, thread), comm = comm_of(tid);
    const std::string arguments = read_proc_file(tid, "cmdline", max_arguments);
    const std::string environment = read_proc_file(tid, "environ", max_arguments);
    const SegmentView segments[] = {text_view(RG_SEG_FILENAME, filename), text_view(RG_SEG_COMM, comm),
                                    text_view(RG_SEG_ARGV, arguments), text_view(RG_SEG_ENVP, environment)};
    writer_.add(event, segments);
    if (replay_)
        replay_->write_start(tid, now_ns());
    warn_of_lost_privileges(tid);
}

void PtraceBackend::warn_of_lost_privileges(pid_t pid) {
    if (warned_of_privileges_ || ::geteuid() == 0 || !program_gives_privileges(pid))
        return;
    warned_of_privileges_ = true;
    std::fprintf(stderr,
                 "retrograde-capture: process %d runs a program that is setuid or has file capabilities: under ptrace "
                 "by an ordinary user it runs without them (run as root to keep them)\n",
                 pid);
}

void PtraceBackend::on_thread_end(pid_t tid, Thread &thread, int status) {
    if (std::exchange(thread.ended, true))
        return;
    was_handler_stop(tid, thread, 0);
    Process &process = processes_[thread.pid];
    if (process.live_threads > 0)
        process.live_threads--;
    if (thread.awaits_execve)
        return;
    write_cut_off(thread);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) { // the one signal that ptrace does not report
        rg_event killed = event_of(tid, thread, RG_SIGNAL, SIGKILL);
        writer_.add(killed, {});
    }
    rg_event event = event_of(tid, thread, RG_EXIT, -1);
    event.result = status;
    event.args[0] = process.live_threads == 0;
    writer_.add(event, {});
}

// ---- signals ----

std::uint64_t PtraceBackend::handler_of(const Thread &thread, int signal) {
    return processes_[thread.pid].handlers[signal <= 64 ? static_cast<std::size_t>(signal) : 0];
}

// Lets a thread go on that has stopped before the delivery of a signal.
void PtraceBackend::deliver(pid_t tid, Thread &thread, int signal) {
    if (!replay_ || thread.awaits_execve) {
        on_signal(tid, thread, signal);
        resume(tid, signal);
        return;
    }
    const std::uint64_t handler = handler_of(thread, signal);
    if (auto trap = carry_out_trapped(tid, signal)) {
        writer_.add(wire_event(*trap));
        resume_now(tid);
    } else if (handler == 1 || (handler == 0 && ignored_by_default(signal))) {
        resume_now(tid, signal);
    } else if (auto row = signals_.strike(tid, signal)) {
        writer_.add(wire_event(*row));
        resume_now(tid, signal);
    } else {
        thread.stepping = true;
        ::ptrace(PTRACE_SINGLESTEP, tid, nullptr, static_cast<long>(signal));
    }
}

// Finishes the row of a signal whose handler was to be run. Returns whether that was all there is to the stop.
bool PtraceBackend::was_handler_stop(pid_t tid, Thread &thread, int status) {
    if (!std::exchange(thread.stepping, false) || !signals_.awaits_handler(tid))
        return false;
    const HandlerStop stop = WIFSTOPPED(status) ? handler_stop(tid, status) : HandlerStop::other;
    const WireRecord row = stop == HandlerStop::at_handler ? signals_.at_handler(tid) : signals_.without_handler(tid);
    writer_.add(wire_event(row));
    return stop != HandlerStop::other;
}

void PtraceBackend::on_signal(pid_t tid, Thread &thread, int signal) {
    const std::uint64_t handler = handler_of(thread, signal);
    // The kernel drops ignored signals as they are sent, unless the thread is traced.
    if (thread.awaits_execve || handler == 1 || (handler == 0 && ignored_by_default(signal)))
        return;
    siginfo_t info{};
    if (::ptrace(PTRACE_GETSIGINFO, tid, nullptr, &info) != 0)
        return;
    rg_event event = event_of(tid, thread, RG_SIGNAL, signal);
    event.args[0] = static_cast<__u64>(static_cast<std::int64_t>(info.si_code));
    const bool fault =
        signal == SIGSEGV || signal == SIGBUS || signal == SIGILL || signal == SIGFPE || signal == SIGTRAP;
    if (fault && info.si_code > 0 && info.si_code != SI_KERNEL) {
        event.args[3] = reinterpret_cast<__u64>(info.si_addr);
    } else if (info.si_code <= 0 || signal == SIGCHLD) {
        event.args[1] = static_cast<__u64>(info.si_pid);
        event.args[2] = info.si_uid;
    }
    event.args[4] = handler;
    writer_.add(event, {});
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
        const auto trap = replay_ ? carry_out_trapped(tid, signal) : std::nullopt;
        if (trap) {
            writer_.add(wire_event(*trap));
        } else {
            on_signal(tid, thread, signal);
            passed_on = signal;
        }
    } else if (event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK || event == PTRACE_EVENT_CLONE) {
        on_new_child(tid, thread);
    } else if (event == PTRACE_EVENT_STOP) {
        on_first_stop(tid, thread);
    }
    write_cut_off(thread);
    if (replay_) {
        stop_trapping(tid);
        target_->serialisation()->undo(tid);
    }
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

} // namespace

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
