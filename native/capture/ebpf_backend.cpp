// Capture with eBPF. The programs put a record for each event into the ring of its CPU; here the rings are merged by
// time. In replay grade a tracer completes the events whose threads the programs have held.

#include "capture/backend.h"
#include "capture/guardian.h"
#include "capture/memory_checksums.h"
#include "capture/memory_copier.h"
#include "capture/process_facts.h"
#include "capture/programs.h"
#include "capture/registers.h"
#include "capture/replay_state.h"
#include "capture/ring.h"
#include "capture/signal_recorder.h"
#include "capture/tracer.h"

#include "base/failure.h"

#include <algorithm>
#include <bpf/bpf.h>
#include <csignal>
#include <functional>
#include <map>
#include <optional>
#include <poll.h>
#include <sched.h>
#include <set>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <vector>

namespace retrograde {

namespace {

constexpr std::uint64_t ms = 1'000'000;
constexpr std::uint64_t shortest_sleep_ns = 2 * ms, longest_sleep_ns = 20 * ms;
constexpr std::uint64_t loss_interval_ns = 100 * ms;

// A thread that an eBPF program has stopped is seen to stop at once, unless it waits for a CPU or somebody's SIGCONT
// has taken the stop away; after this long its event is written all the same.
constexpr std::uint64_t late_stop_ns = 20 * ms;

constexpr std::uint64_t time_slice_ns = 20 * ms; // that a thread runs for at most, where others may wait for it
constexpr std::uint64_t longest_detaching_ns = 2000 * ms;

void ignore(int) {}

class EbpfBackend : public Backend {
  public:
    EbpfBackend(const Options &options, EventWriter &writer, const std::string &folder);
    ~EbpfBackend() override;

    void attach(Target *target) override;
    bool poll(std::uint64_t timeout_ns) override;
    void detach() override;
    std::vector<Unfaithful> unfaithful() const override {
        return replay_ ? replay_->unfaithful().all() : std::vector<Unfaithful>();
    }
    std::vector<std::string> written_files() const override {
        return replay_ ? replay_->written() : std::vector<std::string>();
    }

  private:
    // An event that did not come through its CPU's ring; it waits for its turn.
    struct Pending {
        WireRecord record;           // complete; or empty:
        std::function<void()> write; // does it; or none:
        rg_hold hold{};              // memory still to be copied
    };

    bool drain(std::uint64_t until);
    bool drain_run(Ring &ring, std::uint64_t until);
    void take_spilled();
    void take_hold(pid_t tid);
    void take_late_holds(std::uint64_t now);
    void take_holds();
    void write(const rg_event &event);
    void write_held(rg_hold &hold);
    void add_checksums(const rg_event &call);
    void interrupt_spinning(std::uint64_t now);
    void write_pending();
    void add_pending(WireRecord record);
    void on_exec(pid_t tid);
#if defined(__aarch64__)
    void on_start(pid_t tid);
#endif
    void on_signal(pid_t tid, int signal);
    void strike(pid_t tid, int signal);
    void at_handler(pid_t tid, bool there);
    int on_last_stop(pid_t tid, int signal);
    bool on_stop(pid_t tid);
    void on_end(pid_t tid, int status);
    std::vector<rg_hold> holds() const;
    bool stop_was_taken_away(pid_t tid) const;
    void resume(pid_t tid, const rg_hold &hold);
    void resume_full();
    std::optional<rg_hold> hold_of(pid_t tid) const;
    void set_hold(pid_t tid, rg_hold hold, __u32 reason);
    bool is_over();
    void report_losses(std::uint64_t now);
    void sleep(std::uint64_t timeout_ns);

    const Options &options_;
    EventWriter &writer_;
    Programs programs_;
    std::vector<Ring> rings_; // of the CPUs
    std::optional<Ring> spill_;
    UniqueFd epoll_;
    std::vector<UniqueFd> processes_; // pidfds of --pid
    Target *target_ = nullptr;
    std::uint64_t sleep_ns_ = shortest_sleep_ns, losses_reported_ns_ = 0;

    // Replay grade.
    std::optional<MemoryCopier> copier_;
    std::optional<ReplayState> replay_; // of a command that is recorded from its start
    SignalRecorder signals_;
    bool exec_seen_ = false;
    std::uint64_t interrupted_ns_ = 0; // when a thread was last, because it ran for long
    std::optional<Guardian> guardian_;
    std::optional<Tracer> tracer_;
    std::multimap<std::uint64_t, Pending> pending_; // by time
#if defined(__aarch64__)
    std::map<pid_t, std::uint64_t> forked_; // first argument of the call that has made the thread, which is in it
#endif
    std::set<pid_t> taken_;                       // their event is in pending_
    std::set<pid_t> stopped_;                     // of those, the ones that have stopped
    std::vector<std::pair<pid_t, rg_hold>> full_; // stopped until the rings have drained
    std::uint64_t holds_taken_ = 0, holds_missing_since_ns_ = 0;
};

EbpfBackend::EbpfBackend(const Options &options, EventWriter &writer, const std::string &folder)
    : options_(options), writer_(writer), programs_(options) {
    epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
    rings_ = programs_.take_rings();
    for (const Ring &ring : rings_) {
        // Edge-triggered: what waits in a ring without having asked for a wakeup must not end a sleep.
        epoll_event event{};
        event.events = EPOLLIN | EPOLLET;
        if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, ring.map_fd(), &event) != 0)
            throw system_failure("cannot wait for the rings");
    }
    spill_.emplace(std::move(rings_.back()));
    rings_.pop_back();
    if (options.grade == Grade::replay) {
        copier_.emplace(options, writer);
        guardian_.emplace(programs_.holds_map());
        if (is_replayable(options))
            replay_.emplace(writer, folder);
        Tracer::Handlers handlers;
        handlers.on_hold = [this](pid_t tid) { return on_stop(tid); };
        handlers.on_end = [this](pid_t tid, int status) { on_end(tid, status); };
        if (replay_) {
            handlers.on_exec = [this](pid_t tid) { on_exec(tid); };
            handlers.on_signal = [this](pid_t tid, int signal) { on_signal(tid, signal); };
            handlers.at_handler = [this](pid_t tid, bool there) { at_handler(tid, there); };
#if defined(__aarch64__)
            handlers.on_start = [this](pid_t tid) { on_start(tid); };
#endif
        }
        tracer_.emplace(std::move(handlers));
    }
}

EbpfBackend::~EbpfBackend() {
    try {
        detach();
    } catch (const std::exception &) { // writing has failed: that is being reported
    }
}

void EbpfBackend::attach(Target *target) {
    target_ = target;
    if (replay_)
        replay_->belief().begin_with(*target->serialisation());
    for (pid_t pid : options_.pids) {
        UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
        if (!process && errno == ESRCH)
            throw Failure("there is no process " + std::to_string(pid), exit_usage);
        processes_.push_back(std::move(process));
    }
    if (target && tracer_)
        tracer_->attach(target->pid());
    if (target)
        programs_.follow_from_execve(target->pid());
    programs_.attach();

    // Who drains has to come first when the CPUs are busy: it works little and sleeps often.
    ::prctl(PR_SET_TIMERSLACK, 1);
    ::setpriority(PRIO_PROCESS, 0, -20);
    // The end of the command and the stops of traced threads end a sleep.
    struct sigaction action {};
    action.sa_handler = ignore;
    ::sigaction(SIGCHLD, &action, nullptr);
    sigset_t child;
    ::sigemptyset(&child);
    ::sigaddset(&child, SIGCHLD);
    ::sigprocmask(SIG_BLOCK, &child, nullptr);
}

bool EbpfBackend::poll(std::uint64_t timeout_ns) {
    const std::uint64_t now = now_ns();
    bool busy = tracer_ && tracer_->handle_stops();
    if (tracer_)
        take_late_holds(now);
    busy |= drain(now_ns());
    if (replay_ && target_->has_real_time())
        interrupt_spinning(now);
    report_losses(now);
    if (busy) {
        sleep_ns_ = shortest_sleep_ns;
        // The end of a traced thread is reported when all its events are in the rings.
        if (tracer_ && is_over()) {
            drain(~0ull);
            return false;
        }
    } else {
        if (is_over()) {
            drain(~0ull);
            return false;
        }
        sleep_ns_ = std::min(2 * sleep_ns_, longest_sleep_ns);
    }
    if (pending_.empty() && full_.empty())
        sleep(std::min(sleep_ns_, timeout_ns));
    else if (!busy) // a thread that others wait for may need this CPU
        sleep(std::min(ms / 10, timeout_ns));
    return true;
}

// A thread that runs on and on may wait for another to do something. Its stop puts it behind the others, and its SWITCH
// row tells where it was.
void EbpfBackend::interrupt_spinning(std::uint64_t now) {
    const Programs::Running running = programs_.running();
    if (programs_.live_threads() < 2 || running.tid == 0 || running.in_call || now < running.since_ns + time_slice_ns ||
        now < interrupted_ns_ + time_slice_ns)
        return;
    interrupted_ns_ = now; // or looked at
    if (tracer_->others_wait(running.tid))
        tracer_->interrupt(running.tid);
}

void EbpfBackend::sleep(std::uint64_t timeout_ns) {
    pollfd rings{epoll_.get(), POLLIN, 0};
    timespec timeout{static_cast<time_t>(timeout_ns / 1'000'000'000), static_cast<long>(timeout_ns % 1'000'000'000)};
    sigset_t mask;
    ::sigprocmask(SIG_BLOCK, nullptr, &mask);
    ::sigdelset(&mask, SIGCHLD);
    if (::ppoll(&rings, 1, &timeout, &mask) > 0) {
        epoll_event events[16];
        ::epoll_wait(epoll_.get(), events, 16, 0);
    }
}

bool EbpfBackend::is_over() {
    if (target_) {
        if (tracer_ && tracer_->attached())
            return false;
        return programs_.live_threads() <= 0 && target_->poll_ended();
    }
    if (options_.pids.empty() || programs_.live_threads() > 0)
        return false;
    return std::all_of(processes_.begin(), processes_.end(), [](const UniqueFd &process) {
        pollfd ended{process.get(), POLLIN, 0};
        return !process || ::poll(&ended, 1, 0) > 0;
    });
}

// ---- merging ----

// Writes the events up to `until`, a time that has passed; ordered by time, and within a thread exactly: an event of a
// thread that is in some ring and not later than `until` was put there before this began, and so were all before it.
bool EbpfBackend::drain(std::uint64_t until) {
    bool any = false;
    const bool to_the_end = until == ~0ull;
    if (tracer_)
        take_spilled();
    for (;;) {
        // Not past a signal that is about to be delivered: a few microseconds.
        if (!to_the_end)
            until = std::min(until, signals_.earliest() - 1);
        // The ring with the oldest event may be read as far as the next source's.
        Ring *oldest = nullptr;
        std::uint64_t oldest_ns = ~0ull, limit = until;
        auto consider = [&](Ring *ring, std::uint64_t time) {
            if (time < oldest_ns || (!ring && time == oldest_ns)) {
                if (oldest_ns != ~0ull)
                    limit = std::min(limit, oldest_ns);
                oldest = ring;
                oldest_ns = time;
            } else {
                limit = std::min(limit, time);
            }
        };
        for (Ring &ring : rings_)
            if (const rg_event *event = ring.front())
                consider(&ring, event->exit);
        if (!pending_.empty())
            consider(nullptr, pending_.begin()->first);
        if (oldest_ns == ~0ull || oldest_ns > until)
            break;
        any = true;
        if (oldest)
            drain_run(*oldest, limit);
        else
            write_pending();
    }
    for (Ring &ring : rings_)
        ring.release();
    resume_full();
    return any;
}

// Writes the events of one ring up to `until`. Stops early when there is an older one elsewhere.
bool EbpfBackend::drain_run(Ring &ring, std::uint64_t until) {
    constexpr unsigned release_after = 256;
    unsigned count = 0;
    while (const rg_event *event = ring.front()) {
        if (event->exit > until)
            break;
        // What a held thread does before its stop is seen (take a signal, leave the CPU, die) comes after the event it
        // is held for. So does what a thread does whose stop somebody's SIGCONT has taken away.
        const bool in_program = event->kind == RG_SYSCALL || event->kind == RG_FORK || event->kind == RG_EXEC;
        if (tracer_ && (!in_program || programs_.held_events() != holds_taken_)) {
            if (replay_)
                take_holds(); // order counts among threads, too
            else
                take_hold(static_cast<pid_t>(event->tid));
            if (event->kind == RG_EXIT || event->kind == RG_ENTER || event->kind == RG_SIGNAL) // killed on the way
                at_handler(static_cast<pid_t>(event->tid), false);
            if (!pending_.empty() && pending_.begin()->first <= event->exit)
                return false;
        }
        write(*event);
        ring.consume();
        if (++count % release_after == 0)
            ring.release();
    }
    return true;
}

void EbpfBackend::write(const rg_event &event) {
#if defined(__aarch64__)
    if (replay_ && event.kind == RG_FORK)
        forked_[static_cast<pid_t>(event.tid)] = event.args[5];
#endif
    if (replay_)
        replay_->look_at(event);
    if (replay_ && ReplayState::has_mapped(event)) // a thread that could not be held
        replay_->write_mapped(event);
    writer_.add(event);
    if (tracer_ && event.kind == RG_EXEC && event.args[0] != event.tid)
        tracer_->forget(static_cast<pid_t>(event.args[0]));
}

void EbpfBackend::take_spilled() {
    // Several CPUs write here: not quite in order, and what is being written may be older than what is complete.
    while (spill_->filled() > 0) {
        const rg_event *event = spill_->front();
        if (!event) {
            ::sched_yield();
            continue;
        }
        const auto *bytes = reinterpret_cast<const unsigned char *>(event);
        add_pending(WireRecord(bytes, bytes + event->size));
        spill_->consume();
    }
    spill_->release();
}

// ---- held threads ----

std::optional<rg_hold> EbpfBackend::hold_of(pid_t tid) const {
    rg_hold hold;
    if (bpf_map_lookup_elem(programs_.holds_map(), &tid, &hold) != 0)
        return std::nullopt;
    return hold;
}

void EbpfBackend::set_hold(pid_t tid, rg_hold hold, __u32 reason) {
    hold.reason = reason;
    bpf_map_update_elem(programs_.holds_map(), &tid, &hold, BPF_EXIST);
}

// Puts the event that a thread is held for where it waits for its turn.
void EbpfBackend::take_hold(pid_t tid) {
    // Who has the last event or the end of a thread in hand sees all that were held before.
    if (taken_.contains(tid) || programs_.held_events() == holds_taken_)
        return;
    std::optional<rg_hold> hold = hold_of(tid);
    if (!hold || hold->reason != RG_HOLD_EVENT)
        return;
    Pending pending;
    pending.hold = *hold;
    pending_.emplace(hold->event.exit, std::move(pending));
    taken_.insert(tid);
    holds_taken_++;
}

void EbpfBackend::take_late_holds(std::uint64_t now) {
    if (programs_.held_events() == holds_taken_) {
        holds_missing_since_ns_ = 0;
        return;
    }
    if (holds_missing_since_ns_ == 0)
        holds_missing_since_ns_ = now;
    if (now - holds_missing_since_ns_ < late_stop_ns)
        return;
    holds_missing_since_ns_ = now;
    take_holds();
}

void EbpfBackend::take_holds() {
    if (programs_.held_events() == holds_taken_)
        return;
    for (const rg_hold &hold : holds())
        take_hold(static_cast<pid_t>(hold.event.tid));
}

// The threads that are held or about to be.
std::vector<rg_hold> EbpfBackend::holds() const {
    std::vector<rg_hold> found;
    __u32 tid, key, *before = nullptr;
    for (; bpf_map_get_next_key(programs_.holds_map(), before, &tid) == 0; before = &key) {
        key = tid;
        if (std::optional<rg_hold> hold = hold_of(static_cast<pid_t>(tid)); hold && hold->reason != 0)
            found.push_back(*hold);
    }
    return found;
}

// Whether a thread that should have stopped by now goes on: the stop is neither there nor to come. Its memory may have
// changed since its event.
bool EbpfBackend::stop_was_taken_away(pid_t tid) const {
    const ProcessFacts facts = read_process_facts(tid);
    return facts.found && !facts.stopped && !(facts.pending >> (SIGSTOP - 1) & 1);
}

void EbpfBackend::write_held(rg_hold &hold) {
    if (replay_) {
        replay_->look_at(hold.event);
        replay_->write_before(hold.event);
        if (replay_->has_shared_overlay())
            programs_.look_at_overlay();
        replay_->belief().correct(hold.event);
        hold.event.cpu = static_cast<__u16>(target_->serialisation()->cpu()); // it may have been sent to another
    }
    if (hold.plan_nr == static_cast<__u32>(hold.event.nr)) {
        copier_->add(hold.event, hold.deref);
        return;
    }
    rg_event interrupted = hold.event;
    interrupted.nr = static_cast<__s32>(hold.plan_nr);
    copier_->add_continued(hold.event, interrupted, hold.deref);
}

// The thread has stopped behind this call. What others have done by now comes before the rows.
void EbpfBackend::add_checksums(const rg_event &call) {
    const auto pid = static_cast<pid_t>(call.pid), tid = static_cast<pid_t>(call.tid);
    // Other threads may share the memory, and processes that vfork has made.
    std::optional<Standstill> standstill;
    if (programs_.live_threads() > 1) {
        if (!target_->has_real_time())
            return;
        standstill.emplace(*target_->serialisation());
        if (!standstill->holds())
            return;
    }
    take_holds();
    // Whether the kernel has written the frame of a handler by now is not known.
    if (signals_.earliest() != ~0ull)
        return;
    for (WireRecord &row : checksum_memory(pid, tid, now_ns()))
        add_pending(std::move(row));
}

void EbpfBackend::write_pending() {
    auto node = pending_.extract(pending_.begin());
    Pending &pending = node.mapped();
    if (pending.write) {
        pending.write();
        return;
    }
    if (!pending.record.empty()) {
        write(wire_event(pending.record));
        return;
    }
    const auto tid = static_cast<pid_t>(pending.hold.event.tid);
    const bool stopped = stopped_.erase(tid) != 0;
    const bool goes_on = !stopped && stop_was_taken_away(tid);
    if (goes_on)
        pending.hold.event.flags |= RG_FAULT;
    write_held(pending.hold);
    taken_.erase(tid);
    if (stopped)
        resume(tid, pending.hold);
    else
        set_hold(tid, pending.hold, goes_on ? 0 : RG_HOLD_FULL); // it stops soon, for nothing
}

// A traced thread has stopped with SIGSTOP: is it by an eBPF program?
bool EbpfBackend::on_stop(pid_t tid) {
    std::optional<rg_hold> hold = hold_of(tid);
    if (!hold || hold->reason == 0)
        return false;
    if (hold->reason != RG_HOLD_EVENT) {
        full_.emplace_back(tid, *hold);
        return true;
    }
    take_hold(tid);
    stopped_.insert(tid);
    return true;
}

void EbpfBackend::add_pending(WireRecord record) {
    Pending pending;
    const std::uint64_t time = wire_event(record).exit;
    pending.record = std::move(record);
    pending_.emplace(time, std::move(pending));
}

namespace {

// The time at which a thread that has stopped has left its CPU, too: the kernel reports the stop before, and answers a
// request about it afterwards, when the row of its SWITCH is there.
std::uint64_t time_of_stop(pid_t tid) {
    unsigned long message;
    ::ptrace(PTRACE_GETEVENTMSG, tid, nullptr, &message);
    return now_ns();
}

} // namespace

// The EXEC row is in a ring; the row of the call comes when the thread goes on.
void EbpfBackend::on_exec(pid_t tid) {
    const std::uint64_t now = time_of_stop(tid);
    exec_seen_ = true;
    Pending start;
    start.write = [this, tid, now] {
        replay_->write_start(tid, now);
        tracer_->resume(tid);
    };
    pending_.emplace(now, std::move(start));
}

#if defined(__aarch64__)
// The call that has made a thread ends in it, too, which no tracepoint tells of.
void EbpfBackend::on_start(pid_t tid) {
    const std::uint64_t now = time_of_stop(tid);
    Pending start;
    start.write = [this, tid, now] {
        rg_event event = make_event(RG_SYSCALL, -1, read_process_facts(tid).pid, tid, now);
        GeneralRegisters registers{};
        if (const auto forked = forked_.extract(tid); !forked.empty() && read_registers(tid, registers)) {
            event.nr = static_cast<int>(registers.regs[8]);
            std::copy_n(registers.regs, 6, event.args);
            event.args[0] = forked.mapped();
            copier_->add(event, 0);
        }
        tracer_->resume(tid);
    };
    pending_.emplace(now, std::move(start));
}
#endif

void EbpfBackend::on_signal(pid_t tid, int signal) {
    if (!exec_seen_) { // no part of the recording
        tracer_->deliver(tid, signal);
        return;
    }
    const std::uint64_t now = time_of_stop(tid);
    take_hold(tid);
    if (!taken_.contains(tid)) {
        strike(tid, signal);
        return;
    }
    // It is held at the end of a call, whose memory has to be copied first.
    Pending later;
    later.write = [this, tid, signal] { strike(tid, signal); };
    pending_.emplace(now, std::move(later));
}

void EbpfBackend::strike(pid_t tid, int signal) {
    if (auto trap = replay_->carry_out_trapped(tid, signal)) {
        add_pending(std::move(*trap));
        tracer_->deliver(tid, 0);
    } else if (auto row = signals_.strike(tid, signal, programs_.live_threads() == 1, true)) {
        add_pending(std::move(*row));
        tracer_->deliver(tid, signal);
    } else {
        tracer_->step_into_handler(tid, signal);
    }
}

// Returns the signal that is to be delivered.
int EbpfBackend::on_last_stop(pid_t tid, int signal) {
    const auto trap = replay_->carry_out_trapped(tid, signal);
    if (trap)
        write(wire_event(*trap));
    const bool is_stale = replay_->is_stale_trap(tid, signal);
    replay_->let_go(read_process_facts(tid).pid, tid);
    return trap || is_stale ? 0 : signal;
}

void EbpfBackend::at_handler(pid_t tid, bool there) {
    if (signals_.awaits_handler(tid))
        add_pending(there ? signals_.at_handler(tid) : signals_.without_handler(tid));
}

void EbpfBackend::resume(pid_t tid, const rg_hold &hold) {
    set_hold(tid, hold, 0);
    if (hold.had_sigcont)
        ::kill(static_cast<pid_t>(hold.event.pid), SIGCONT);
    tracer_->resume(tid);
}

void EbpfBackend::resume_full() {
    for (const auto &[tid, hold] : full_) {
        if (hold.reason == RG_HOLD_CHECKSUM) {
            add_checksums(hold.event);
            programs_.set_next_checksum(now_ns() + options_.checksum_interval_ns);
        }
        resume(tid, hold);
    }
    full_.clear();
}

void EbpfBackend::on_end(pid_t tid, int status) {
    take_hold(tid);
    stopped_.erase(tid);
    std::erase_if(full_, [tid](const auto &held) { return held.first == tid; });
    bpf_map_delete_elem(programs_.holds_map(), &tid);
    if (target_ && tid == target_->pid())
        target_->ended(status);
}

// ---- losses and the end ----

void EbpfBackend::report_losses(std::uint64_t now) {
    if (now - losses_reported_ns_ < loss_interval_ns)
        return;
    auto lost = programs_.take_losses();
    if (!lost.empty())
        writer_.loss(losses_reported_ns_, now, lost);
    losses_reported_ns_ = now;
}

void EbpfBackend::detach() {
    if (epoll_.get() < 0)
        return;
    epoll_.reset();
    programs_.detach();
    // Threads may still be on their way into a stop that was ordered before.
    const std::uint64_t begun = now_ns();
    while (tracer_) {
        tracer_->handle_stops();
        take_late_holds(now_ns());
        drain(~0ull);
        const bool waited_long = now_ns() - begun > longest_detaching_ns;
        // Whoever is on the way into a stop would stay in it for good.
        if (holds().empty()) {
            guardian_->dismiss();
            break;
        }
        if (waited_long) {
            guardian_->leave_alone();
            break;
        }
        ::usleep(500);
    }
    drain(~0ull);
    if (replay_)
        tracer_->detach_all([this](pid_t tid, int signal) { return on_last_stop(tid, signal); }, longest_detaching_ns);
    if (programs_.live_threads() > 0)
        for (const rg_event &event : programs_.calls_in_progress())
            writer_.add(event);
    losses_reported_ns_ = losses_reported_ns_ ? losses_reported_ns_ : begun;
    auto lost = programs_.take_losses();
    if (!lost.empty())
        writer_.loss(losses_reported_ns_, now_ns(), lost);
}

} // namespace

std::unique_ptr<Backend> make_ebpf_backend(const Options &options, EventWriter &writer, const std::string &folder) {
    return std::make_unique<EbpfBackend>(options, writer, folder);
}

} // namespace retrograde
