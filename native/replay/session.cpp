// The events of a replay: what each of them asks of its thread, and what it does to it.
#include "replay/session.h"

#include "base/hex.h"
#include "base/restart.h"
#include "capture/syscall_table.h"
#include "replay/checkpoint.h"
#include "replay/counter_mode.h"
#include "replay/event_places.h"
#include "replay/file_contents.h"
#include "replay/stub.h"
#include "replay/timer.h"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <utility>
#if defined(__x86_64__)
#include <asm/prctl.h>
#endif

namespace retrograde {

namespace {

constexpr std::size_t most_compared = 1 << 20;

std::string call_text(int nr, const std::array<std::uint64_t, 6> &args) {
    const char *name = syscall_name(nr);
    std::string text = name ? name : "system call " + std::to_string(nr);
    for (std::size_t i = 0; i < args.size(); i++)
        text += (i == 0 ? "(" : ", ") + hex(args[i]);
    return text + ")";
}

#if defined(__aarch64__)
// Whether prctl(2) with this operation changes what instructions do.
bool changes_machine(std::uint64_t operation) {
    return operation == PR_SVE_SET_VL || operation == PR_SET_TAGGED_ADDR_CTRL || operation == PR_PAC_SET_ENABLED_KEYS;
}
#endif

bool is_clone(int nr) {
    switch (nr) {
    case SYS_clone:
    case SYS_clone3:
#if defined(SYS_fork)
    case SYS_fork:
    case SYS_vfork:
#endif
        return true;
    default:
        return false;
    }
}

} // namespace

Session::Session(EventStream stream, const SessionOptions &options)
    : stream_(std::move(stream)), options_(options), cpu_(stream_.info()), echo_(options.echo) {
    images_.reset(::open((stream_.folder() + "/images").c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    begin();
}

Session::~Session() {
    end_all();
}

// The first program's START makes the first process.
void Session::begin() {
    while (next_ < stream_.size() && stream_[next_].kind != RG_START)
        next_++;
    if (next_ == stream_.size())
        throw Failure(stream_.folder() +
                          " does not hold the start of a program, and can't be replayed: it was not made by "
                          "`retrograde record` with a command",
                      exit_cannot);
    shared_.written = written_files(stream_.end());
    shared_.is_mapped = [this](const std::string &name) { return has_mapped(name); };
    const Event &start = stream_[next_];
    Tracee tracee = start_stub(images_.get());
    const auto [at, is_new] = tasks_.emplace(start.tid, Task{start.pid, start.tid, std::move(tracee)});
    Task &task = at->second;
    task.space = std::make_shared<AddressSpace>();
    task.descriptors = std::make_shared<Descriptors>();
    task.own_tid = start.tid;
    task.space->start(task.tracee, start, shared_, {images_.get(), cpu_});
    if (options_.focus == 0)
        options_.focus = start.pid;
    apply_start(start, task);
    data_of_ = RG_START;
    next_++;
    apply_rows_of_start(task);
}

// A start with much memory goes on in rows DATA: who looks at the program now is to see all of it.
void Session::apply_rows_of_start(Task &task) {
    while (next_ < stream_.size() && stream_[next_].kind == RG_DATA && stream_[next_].tid == task.tid)
        apply_data(stream_[next_++], task);
}

Task &Session::task(std::uint32_t tid) {
    const auto found = tasks_.find(tid);
    if (found == tasks_.end())
        throw Failure("there is no thread " + std::to_string(tid) + " at event " + std::to_string(next_), exit_usage);
    return found->second;
}

Task *Session::any_task_of(std::uint32_t pid) {
    for (auto &[tid, task] : tasks_)
        if (task.pid == pid)
            return &task;
    return nullptr;
}

namespace {

// An instruction that traps, or a signal, which leads to its handler.
bool is_step_itself(const Event &event) {
    return event.kind == RG_TRAP || event.kind == RG_SIGNAL;
}

} // namespace

std::optional<EventBefore> Session::event_before(std::uint64_t event, std::uint32_t tid) {
    while (event-- > 0) {
        const Event &here = stream_[event];
        if (here.kind == RG_FORK) {
            const auto parent = static_cast<std::uint32_t>(here.args[0]);
            if (here.tid == tid && here.tid == here.pid) // it begins as a process
                return std::nullopt;
            if (here.tid == tid || parent == tid)
                return EventBefore{event, parent, false};
        } else if (here.tid == tid && here.pid == options_.focus && !happens_anywhere(here)) {
            return EventBefore{event, tid, is_step_itself(here)};
        }
    }
    return std::nullopt;
}

std::uint32_t Session::current_task() {
    for (std::uint64_t seq = next_; seq < stream_.size() && seq < next_ + 10000; seq++) {
        const Event &event = stream_[seq];
        if (auto found = tasks_.find(event.tid); found != tasks_.end() && found->second.pid == options_.focus)
            return event.tid;
    }
    const Task *task = any_task_of(options_.focus);
    return task ? task->tid : 0;
}

std::uint64_t Session::cpu_time_ns() const {
    std::uint64_t sum = 0;
    std::set<pid_t> processes;
    for (const auto &[tid, task] : tasks_)
        processes.insert(task.tracee.process());
    for (pid_t process : processes)
        sum += process_cpu_ns(process);
    return sum;
}

void Session::add_breakpoint(const Breakpoint &breakpoint) {
    if (is_watchpoint(breakpoint)) {
        std::size_t pieces = hardware_pieces(breakpoint).size();
        for (const Breakpoint &other : breakpoints_)
            if (is_watchpoint(other))
                pieces += hardware_pieces(other).size();
        if (breakpoint.length == 0 || pieces > most_hardware_pieces)
            throw Failure("there are " + std::to_string(most_hardware_pieces) +
                          " debug registers for watchpoints, of 8 aligned bytes each: " +
                          std::to_string(breakpoint.length) + " more bytes do not fit");
    }
    if (std::find(breakpoints_.begin(), breakpoints_.end(), breakpoint) == breakpoints_.end())
        breakpoints_.push_back(breakpoint);
}

void Session::remove_breakpoint(const Breakpoint &breakpoint) {
    std::erase(breakpoints_, breakpoint);
}

void Session::forget_reported() {
    for (auto &[tid, task] : tasks_)
        task.reported = false;
}

void Session::mark_reported(std::uint32_t tid) {
    if (const auto found = tasks_.find(tid); found != tasks_.end())
        found->second.reported = true;
}

void Session::diverge(const Event &event, Task &task, const std::string &what) const {
    throw Divergence(event.seq, task.tid, what, task.tracee.is_gone() ? "" : describe(task.tracee.registers()));
}

// ---- the way to an event ----

namespace {

// The memory that was recorded where a thread was interrupted: registers alone may be the same at every turn of a loop.
void add_evidence(std::map<std::uint64_t, std::uint64_t> &words, const Event &event, std::uint64_t place,
                  const std::set<std::uint64_t> &doubted) {
    constexpr std::uint64_t replaced = 64; // instructions around the place, at most, while it is looked for
    for (const Segment &segment : event.segments)
        if (segment.arg == RG_SEG_MEMORY && segment.flags & RG_SEG_IN)
            for (std::size_t at = (8 - segment.address % 8) % 8; at + 8 <= segment.bytes.size(); at += 8) {
                WantedWord word{segment.address + at, 0};
                if ((word.address + replaced > place && word.address < place + replaced) ||
                    doubted.contains(word.address))
                    continue;
                std::memcpy(&word.value, segment.bytes.data() + at, 8);
                words.emplace(word.address, word.value);
            }
}

} // namespace

// The signal that has made a thread stop, where this is the switch that this led to: it strikes at the same place, and
// tells more of the memory there. Where others have run before it, they may have changed that. 0 where there is none.
std::uint64_t Session::signal_behind(const Event &event) {
    if (event.kind != RG_SWITCH || event.seq + 1 == stream_.size())
        return 0;
    const std::uint32_t tid = event.tid;
    const Registers here = place_of(event);
    const Event &next = stream_[event.seq + 1];
    const bool is_its_signal = next.kind == RG_SIGNAL && next.tid == tid && next.segment(RG_SEG_REGISTERS);
    return is_its_signal && same_place(place_of(next), here) ? next.seq : 0;
}

Session::Goal Session::goal_of(const Event &event, Task &task) {
    if (happens_at_place(event)) {
        const Registers wanted = parse_registers(event.segment(RG_SEG_REGISTERS)->bytes, task.tracee.registers());
        const auto found = doubted_.find(event.seq);
        const std::set<std::uint64_t> doubted = found == doubted_.end() ? std::set<std::uint64_t>() : found->second;
        std::map<std::uint64_t, std::uint64_t> words;
        add_evidence(words, event, wanted.pc(), doubted);
        if (const std::uint64_t signal = signal_behind(event)) // the event may have been dropped for it
            add_evidence(words, stream_[signal], wanted.pc(), doubted);
        Goal goal{Goal::place, 0, wanted, {}};
        for (const auto &[address, value] : words)
            goal.words.push_back({address, value});
        return goal;
    }
    switch (event.kind) {
    case RG_SIGNAL:
        if (is_fault(event)) {
            Goal goal{Goal::signal, event.nr, {}, {}};
            if (const Segment *segment = event.segment(RG_SEG_REGISTERS))
                goal.registers = parse_registers(segment->bytes, task.tracee.registers());
            return goal;
        }
        return {Goal::call, 0, {}, {}};
    case RG_TRAP: {
        const bool is_patched =
            event.args[0] == RG_TRAP_RDRAND || event.args[0] == RG_TRAP_RDSEED || event.args[0] == RG_TRAP_RDPID;
        return {Goal::signal, is_patched ? SIGILL : SIGSEGV, {}, {}};
    }
    default:
        return {Goal::call, 0, {}, {}};
    }
}

namespace {

// seccomp kills a thread at a call, which leaves no trace but its end (kernel/seccomp.c).
bool is_killed_by_filter(const Event &event, const Task &task) {
    return event.kind == RG_EXIT && (event.result & 0x7f) == SIGSYS && !task.in_call && task.faulted == 0;
}

std::atomic<Session *> running = nullptr, timed = nullptr;

void on_tick(int) {
    if (Session *session = running)
        session->tick();
}

void on_end_of_time(int) {
    if (Session *session = timed)
        session->end_time();
}

// Whether the thread was switched out on its way into the handler of the signal before, which it has reached here.
bool is_before_handler(const Event &event, const Task &task) {
    const Segment *registers = event.segment(RG_SEG_REGISTERS);
    return event.kind == RG_SWITCH && task.struck && registers &&
           same_place(parse_registers(registers->bytes, *task.struck), *task.struck);
}

} // namespace

Stop Session::run(const RunRequest &request) {
    request_ = request;
    stepped_ = false;
    struct Cleanup {
        Session &session;
        ~Cleanup() {
            running = timed = nullptr;
            session.time_is_up_ = session.is_lost_ = false;
            session.remove_breakpoints();
        }
    } cleanup{*this};
    tick_event_ = ~0ull;
    constexpr std::uint64_t tick_ns = 500'000'000;
    constexpr std::uint64_t exact_limit_ns = 50'000'000; // for longer ones, calls need not take a tenth longer
    running = this;
    const Timer ticks(SIGRTMIN + 6, on_tick, tick_ns, true);
    std::optional<Timer> limit;
    std::optional<WokenAtOnce> woken_at_once;
    if (request.time_limit_ns != 0) {
        timed = this;
        if (request.time_limit_ns < exact_limit_ns)
            woken_at_once.emplace();
        limit.emplace(SIGRTMIN + 7, on_end_of_time, request.time_limit_ns, false);
    }
    steps_ = passes_ = steps_before_ = passes_before_ = 0;
    if (early_)
        early_->steps = early_->passes = 0;
    const CounterMode as_the_replayed(false);
    std::optional<Begun> begun; // where it is to come to before it goes on
    for (;;) {
        try {
            if (begun)
                run_again(*begun);
            begun.reset();
            return stop_with_counts(run_on());
        } catch (const Divergence &) {
            const bool is_ahead = std::exchange(is_ahead_, false);
            // The place that was asked for did not come, and nobody has looked for the one that was recorded.
            if (!is_ahead && request.place && request.place->event == next_ && request.place->tid == stream_[next_].tid)
                throw;
            if (return_to_early())
                continue;
            const Stop ahead = stop_with_counts(stop_);
            if (!begun)
                begun = Begun{request, next_ - 1, told_, steps_before_, passes_before_};
            if (reconsider() || find_wrong_place(request))
                begin_again();
            else if (is_ahead)
                return ahead;
            else
                throw;
        }
    }
}

Stop Session::stop_with_counts(Stop stop) const {
    stop.steps = steps_;
    stop.passes = passes_;
    return stop;
}

namespace {

// The stop, due to an event of another process.
Stop told_of(Stop stop, std::uint64_t event) {
    stop.event = event;
    return stop;
}

} // namespace

Stop Session::run_on() {
    insert_breakpoints();
    while (next_ < stream_.size()) {
        if (next_ > request_.behind_event)
            return {StopKind::event, current_task()};
        if (interrupted_.exchange(false))
            return {StopKind::interrupted, current_task()};
        const Event &event = stream_[next_];
        if (event.kind == RG_FORK) {
            // The child is made where its parent is in the call that makes it.
            if (auto parent = tasks_.find(static_cast<std::uint32_t>(event.args[0])); parent != tasks_.end()) {
                if (!advance(parent->second, {Goal::call, 0, {}, {}}))
                    return stop_;
                if (next_ >= request_.until_event)
                    return {StopKind::event, event.tid};
                apply_fork(event);
            }
            next_++;
            continue;
        }
        std::uint32_t tid = event.tid;
        if (event.kind == RG_EXEC && event.args[0] != event.tid)
            tid = static_cast<std::uint32_t>(event.args[0]);
        const auto found = tasks_.find(tid);
        if (found == tasks_.end()) { // of a process that is not followed
            if (next_ >= request_.until_event)
                return {StopKind::event, current_task()};
            watched_.reset();
            const std::uint64_t seq = next_++;
            if (event.kind == RG_WRITTEN) { // to a file that others may have mapped
                apply_change(event);
                apply_rows_of_change(tid);
            }
            if (watched_)
                return told_of(*watched_, seq);
            continue;
        }
        Task &task = found->second;
        const bool is_late = event.kind == RG_SYSCALL && task.fresh && !task.in_call; // the child has left it
        if (event.kind != RG_DATA && !is_late && !is_before_handler(event, task) &&
            !(happens_anywhere(event) && !is_killed_by_filter(event, task)) && !advance(task, goal_of(event, task)))
            return stop_;
        // Looking for evidence may have gone so far that the event has been dropped.
        const Event &here = stream_[next_];
        if (search_)
            note_match();
        if (next_ >= request_.until_event) {
            compare_ahead(here, task);
            return {StopKind::event, task.tid};
        }
        if (request_.stops && told_ != next_ && stops_before(here, task)) {
            told_ = next_;
            return stop_;
        }
        watched_.reset();
        const bool starts = here.kind == RG_START;
        // Or what is left of an instruction that makes a call.
        const bool is_step = is_step_itself(here) || (here.kind == RG_SYSCALL && task.in_call);
        const std::uint32_t stepped = is_step && request_.step_tid == task.tid ? task.tid : 0;
        const bool is_change = here.kind == RG_WRITTEN;
        const bool is_others = task.pid != options_.focus;
        apply(here, task);
        const std::uint64_t seq = next_++;
        early_.reset();
        if (is_change)
            apply_rows_of_change(tid);
        steps_before_ = steps_, passes_before_ = passes_;
        if (watched_)
            return is_others ? told_of(*watched_, seq) : *watched_;
        if (starts) {
            apply_rows_of_start(task);
            if (task.pid == options_.focus && request_.stops)
                return {StopKind::exec, task.tid};
            continue;
        }
        if (stepped != 0 && tasks_.contains(stepped) && !tasks_.at(stepped).in_call && ++steps_ >= request_.steps)
            return {StopKind::step, stepped};
    }
    return {StopKind::end, current_task()};
}

// Signals, ends and new programs of the focused process are told before they happen.
bool Session::stops_before(const Event &event, Task &task) {
    if (task.pid != options_.focus)
        return false;
    if (event.kind == RG_SIGNAL)
        return !stop({StopKind::signal, task.tid, event.nr});
    if (event.kind == RG_EXIT && event.args[0] == 1) {
        Stop end{StopKind::exited, task.tid};
        end.status = static_cast<int>(event.result);
        return !stop(end);
    }
    return false;
}

// ---- what an event does ----

void Session::apply(const Event &event, Task &task) {
    if (event.flags & RG_COMPAT)
        throw Failure("event " + std::to_string(event.seq) +
                          " is a 32-bit system call: 32-bit programs can't be replayed",
                      exit_cannot);
    if (event.kind != RG_DATA) {
        data_of_ = event.kind;
        task.tracee.forget_exclusive();
    }
    if (event.kind != RG_DATA && event.kind != RG_SWITCH)
        task.struck.reset();
    switch (event.kind) {
    case RG_SYSCALL:
        return apply_call(event, task);
    case RG_ENTER:
        return compare_call(event, task);
    case RG_EXEC:
        return apply_exec(event);
    case RG_START:
        if (task.is_guest) {
            end_thread(task);
            tasks_.erase(event.tid);
            return;
        }
        restart_as_stub(task.tracee);
        task.armed.clear();
        task.reported = false;
        std::erase_if(tasks_,
                      [&](const auto &other) { return other.second.pid == task.pid && other.first != task.tid; });
        task.space = std::make_shared<AddressSpace>();
        task.space->start(task.tracee, event, shared_, {images_.get(), cpu_});
        return apply_start(event, task);
    case RG_MAPPED:
        return task.space->mapped(event);
    case RG_WRITTEN:
        return apply_change(event);
    case RG_DATA:
        return apply_data(event, task);
    case RG_EXIT:
        return apply_exit(event, task);
    case RG_SIGNAL:
        return apply_signal(event, task);
    case RG_TRAP: {
        const Segment *registers = event.segment(RG_SEG_REGISTERS);
        task.faulted = 0;
        task.reported = false;
        task.siginfo.clear();
        if (task.tracee.registers().pc() != event.args[1])
            diverge(event, task,
                    "it runs into the instruction at " + hex(task.tracee.registers().pc()) +
                        ", which is carried out for it, and the one at " + hex(event.args[1]) + " was recorded");
        if (registers)
            task.tracee.set_registers(parse_registers(registers->bytes, task.tracee.registers()));
        return;
    }
    case RG_SWITCH:
        return apply_switch(event, task);
    case RG_CHECKSUM:
        if (options_.checksums)
            compare_checksums(event, task);
        return;
    default:
        return;
    }
}

// The thread is where it was. Waiting for a futex with priority inheritance leaves a mark in its word at once, which
// others see before the call returns (kernel/futex/pi.c).
void Session::apply_switch(const Event &event, Task &task) {
    if (event.args[2] != 1 || !task.in_call || task.tracee.registers().call() != SYS_futex)
        return;
    const auto args = task.tracee.registers().call_arguments();
    constexpr int lock_pi2 = 13; // FUTEX_LOCK_PI2, Linux 5.14
    const int operation = static_cast<int>(args[1]) & FUTEX_CMD_MASK;
    std::uint32_t word = 0;
    if ((operation != FUTEX_LOCK_PI && operation != lock_pi2) ||
        read_memory(task.tracee.tid(), args[0], &word, sizeof word) != sizeof word || (word & FUTEX_TID_MASK) == 0)
        return;
    word |= FUTEX_WAITERS;
    write_memory(task.tracee.tid(), args[0], &word, sizeof word);
}

void Session::compare_call(const Event &event, Task &task) const {
    const Registers &registers = task.tracee.registers();
    auto args = registers.call_arguments();
#if defined(__aarch64__)
    if (event.nr == -1) // the kernel has answered before anybody sees the argument (arch/arm64/kernel/syscall.c)
        args[0] = event.args[0];
#endif
    if (registers.call() == event.nr && args == event.args)
        return;
    diverge(event, task,
            "it calls " + call_text(registers.call(), args) + " where " + call_text(event.nr, event.args) +
                " was recorded");
}

// What the kernel read was copied where the call began or, mostly, where it ended.
void Session::compare_memory(const Event &event, Task &task, bool at_enter) const {
    std::vector<unsigned char> now;
    for (const Segment &segment : event.segments) {
        if (!(segment.flags & RG_SEG_IN) || segment.flags & (RG_SEG_OUT | RG_SEG_FAULT) || segment.arg > 5 ||
            bool(segment.flags & RG_SEG_ENTER) != at_enter || segment.bytes.empty())
            continue;
        now.resize(std::min(segment.bytes.size(), most_compared));
        const std::size_t got = read_memory(task.tracee.tid(), segment.address, now.data(), now.size());
        for (std::size_t i = 0; i < now.size(); i++)
            if (i >= got || now[i] != segment.bytes[i])
                diverge(event, task,
                        "what " + call_text(event.nr, event.args) + " reads at " + hex(segment.address + i) +
                            (i >= got
                                 ? " is not there"
                                 : " is byte " + hex(now[i]) + " where " + hex(segment.bytes[i]) + " was recorded"));
    }
}

// Whoever stops before a call is not to see a place that its arguments show to be the wrong one. Throws Divergence,
// which is none yet where no other place is found.
void Session::compare_ahead(const Event &event, Task &task) {
    if (event.kind != RG_SYSCALL || task.started || task.fresh || !task.in_call || !options_.verify ||
        given_up_.contains(next_))
        return;
    is_ahead_ = true;
    stop({StopKind::event, task.tid});
    compare_call(event, task);
    compare_memory(event, task, true);
    // What was copied behind the call may be what the call has made of it.
    if (std::none_of(event.segments.begin(), event.segments.end(),
                     [](const Segment &segment) { return segment.flags & RG_SEG_OUT; }))
        compare_memory(event, task, false);
    is_ahead_ = false;
}

namespace {

bool watches_writes(const Breakpoint &breakpoint) {
    return breakpoint.kind == BreakpointKind::write || breakpoint.kind == BreakpointKind::access;
}

bool overlap(std::uint64_t start, std::uint64_t length, std::uint64_t other, std::uint64_t other_length) {
    return start < other + other_length && other < start + length;
}

} // namespace

// What an event writes, no debug register sees.
void Session::note_written(const Task &task, std::uint64_t address, std::uint64_t length) {
    if (task.pid != options_.focus || !request_.stops)
        return;
    for (const Breakpoint &breakpoint : breakpoints_)
        if (watches_writes(breakpoint) && overlap(address, length, breakpoint.address, breakpoint.length))
            watched_ = Stop{StopKind::watchpoint, task.tid, 0, breakpoint.address, breakpoint.kind};
}

// The same for a part of a file, wherever the focused process has that mapped.
void Session::note_file_written(const std::string &object, std::uint64_t offset, std::uint64_t length) {
    const Task *task = any_task_of(options_.focus);
    if (!task || !request_.stops || std::none_of(breakpoints_.begin(), breakpoints_.end(), watches_writes))
        return;
    for (const Mapping &mapping : current_maps(task->tracee.tid()))
        if (mapping.path.starts_with("/memfd:" + object + " ") &&
            overlap(offset, length, mapping.offset, mapping.end - mapping.start)) {
            const std::uint64_t begin = std::max(offset, mapping.offset),
                                end = std::min(offset + length, mapping.offset + (mapping.end - mapping.start));
            note_written(*task, mapping.start + (begin - mapping.offset), end - begin);
        }
}

void Session::write_results(const Event &event, Task &task) {
    for (const Segment &segment : event.segments) {
        if (!(segment.flags & RG_SEG_OUT) || segment.flags & RG_SEG_FAULT || segment.bytes.empty())
            continue;
        if (segment.address < stub_end && segment.address + segment.bytes.size() > stub_code)
            throw Failure("the recording writes over the replayer's own code: it cannot be replayed", exit_cannot);
        note_written(task, segment.address, segment.bytes.size());
        if (write_memory(task.tracee.tid(), segment.address, segment.bytes.data(), segment.bytes.size()) !=
            segment.bytes.size())
            diverge(event, task,
                    "the " + std::to_string(segment.bytes.size()) + " bytes that the kernel wrote at " +
                        hex(segment.address) + " can't be written: they are not mapped");
    }
}

void Session::apply_call(const Event &event, Task &task) {
    if (std::exchange(task.started, false)) { // an exec, whose result are the registers of the new program's start
        task.in_call = false;
        return;
    }
    if (task.fresh && !task.in_call) {
        task.fresh = false;
        return write_results(event, task);
    }
    compare_call(event, task);
    // A child's call was its parent's, whose memory is what it read.
    const bool is_child = std::exchange(task.fresh, false), verify = options_.verify && !is_child;
    if (verify)
        compare_memory(event, task, true);
    Tracee &tracee = task.tracee;
    const bool succeeded = event.result >= 0 || event.result < -4095;
    if (event.nr == SYS_rt_sigreturn)
        return return_from_signal(event, task);
    if (succeeded && AddressSpace::performs(event.nr)) {
        task.space->perform(tracee, event, shared_, {images_.get(), cpu_});
        if (task.space == inserted_space_) { // there may be other code now
            remove_breakpoints();
            insert_breakpoints();
        }
    }
    write_results(event, task);
    if (verify)
        compare_memory(event, task, false);
    if (succeeded && event.nr == SYS_process_vm_writev)
        write_to_other(event, task);
    if (succeeded) {
        echo_.show(event, tracee, *task.descriptors);
        task.descriptors->follow(event);
        remember_call(event, task);
    }
    task.in_call = false;
#if defined(__aarch64__)
    if (succeeded && event.nr == SYS_prctl && changes_machine(event.args[0]))
        tracee.call(event.nr, event.args);
#endif
    Registers after = tracee.registers();
    after.set_result(event.result);
#if defined(__x86_64__)
    if (event.nr == SYS_arch_prctl && succeeded && event.args[0] == ARCH_SET_FS)
        after.raw.fs_base = event.args[1];
    if (event.nr == SYS_arch_prctl && succeeded && event.args[0] == ARCH_SET_GS)
        after.raw.gs_base = event.args[1];
#endif
    tracee.set_registers(after);
    task.restart = is_restart(event.result) ? event.result : 0;
    task.last_call = event.nr;
    task.last_argument = event.args[0];
}

void Session::return_from_signal(const Event &event, Task &task) {
    Tracee &tracee = task.tracee;
    // The kernel takes all registers from the frame in the program's memory, which is as it was. The thread stops
    // before the call, and behind it before the program runs on.
    tracee.settle();
    const std::vector<unsigned char> fp_registers = cpu_.fp_registers_of_frame(tracee);
    Registers registers = tracee.registers();
    registers.prepare_call(SYS_rt_sigreturn, registers.call_arguments());
    registers.set_pc(stub_code);
    tracee.set_registers(registers);
    task.in_call = false;
    tracee.resume(Resume::to_call);
    for (int stops = 0; stops < 2; stops++) {
        const int status = tracee.wait_through();
        if (!WIFSTOPPED(status) || WSTOPSIG(status) != (SIGTRAP | 0x80))
            diverge(event, task, "it can't return from its signal handler: the frame on its stack is not as it was");
        if (stops == 0)
            tracee.resume(Resume::to_call);
    }
    task.restart = 0;
    task.reported = false;
    tracee.settle_after_call();
    if (!fp_registers.empty())
        cpu_.set_fp_registers(tracee, fp_registers);
#if defined(__x86_64__)
    Registers after = tracee.registers();
    after.raw.orig_rax = ~0ull;
    tracee.set_registers(after);
#endif
}

// Moves what was moved between two processes, where the other one is replayed too.
void Session::write_to_other(const Event &event, Task &task) {
    Task *other = any_task_of(static_cast<std::uint32_t>(event.args[0]));
    if (!other)
        return;
    std::vector<unsigned char> bytes;
    constexpr std::size_t most = 0x7ffff000; // MAX_RW_COUNT, of any call
    const std::size_t total = std::min(static_cast<std::size_t>(event.result), most);
    auto each = [&](std::uint64_t list, std::uint64_t count, auto use) {
        for (std::uint64_t i = 0; i < std::min<std::uint64_t>(count, 1024); i++) {
            std::array<std::uint64_t, 2> piece{}; // struct iovec
            if (read_memory(task.tracee.tid(), list + i * sizeof piece, &piece, sizeof piece) == sizeof piece)
                use(piece[0], static_cast<std::size_t>(std::min<std::uint64_t>(piece[1], total)));
        }
    };
    each(event.args[1], event.args[2], [&](std::uint64_t address, std::size_t length) {
        const std::size_t before = bytes.size();
        bytes.resize(before + std::min(length, total - before));
        read_memory(task.tracee.tid(), address, bytes.data() + before, bytes.size() - before);
    });
    std::size_t used = 0;
    each(event.args[3], event.args[4], [&](std::uint64_t address, std::size_t length) {
        const std::size_t part = std::min(length, bytes.size() - used);
        if (address < stub_end && address + part > stub_code)
            return;
        note_written(*other, address, part);
        write_memory(other->tracee.tid(), address, bytes.data() + used, part);
        used += part;
    });
}

// What later events need to know of a call.
void Session::remember_call(const Event &event, Task &task) {
    switch (event.nr) {
    case SYS_set_tid_address:
        task.clear_tid = event.args[0];
        task.own_tid = static_cast<std::uint32_t>(event.result);
        break;
    case SYS_gettid:
        task.own_tid = static_cast<std::uint32_t>(event.result);
        break;
    case SYS_set_robust_list:
        task.robust_list = event.args[0];
        break;
    case SYS_prctl:
        if (event.args[0] == PR_SET_NAME) {
            char name[16] = "";
            read_memory(task.tracee.tid(), event.args[1], name, sizeof name - 1);
            task.name = name;
        }
        break;
    default:
        break;
    }
}

// Whether a process has the shared object of this name mapped.
bool Session::has_mapped(const std::string &name) const {
    std::set<pid_t> processes;
    for (const auto &[tid, task] : tasks_)
        processes.insert(task.tracee.tid());
    return std::any_of(processes.begin(), processes.end(), [&](pid_t process) {
        const std::vector<Mapping> maps = current_maps(process);
        return std::any_of(maps.begin(), maps.end(),
                           [&](const Mapping &mapping) { return mapping.path.starts_with("/memfd:" + name + " "); });
    });
}

// What a call has changed in a file that is mapped, or in the memory of a process.
void Session::apply_change(const Event &event) {
    apply_written(event, shared_);
    if (const auto file = shared_.by_key.find(shared_.receiver); file != shared_.by_key.end())
        note_file_written(file->second->name(), event.args[3], event.args[5]);
    write_change(event);
}

// A change of much memory goes on in rows DATA: who is told of it sees all.
void Session::apply_rows_of_change(std::uint32_t tid) {
    while (next_ < stream_.size() && stream_[next_].kind == RG_DATA && stream_[next_].tid == tid)
        write_change(stream_[next_++]);
}

void Session::write_change(const Event &event) {
    const std::optional<std::uint32_t> pid = add_written(event, shared_);
    const Task *other = pid ? any_task_of(*pid) : nullptr;
    if (!other)
        return;
    for (const Segment &segment : event.segments)
        if (segment.arg == RG_SEG_MEMORY && !(segment.flags & RG_SEG_FAULT)) {
            note_written(*other, segment.address, segment.bytes.size());
            write_memory(other->tracee.tid(), segment.address, segment.bytes.data(), segment.bytes.size());
        }
}

// Rows that go on with the memory of the event before.
void Session::apply_data(const Event &event, Task &task) {
    if (data_of_ == RG_MAPPED)
        return task.space->more_mapped(event);
    if (data_of_ == RG_WRITTEN)
        return write_change(event);
    if (data_of_ == RG_START) {
        for (const Segment &segment : event.segments)
            if (segment.arg == RG_SEG_MEMORY)
                write_memory(task.tracee.tid(), segment.address, segment.bytes.data(), segment.bytes.size());
        task.space->read_auxv(task.tracee);
        return;
    }
    write_results(event, task);
}

// ---- threads and processes ----

namespace {

struct CloneArguments {
    std::uint64_t flags = 0, stack = 0, tls = 0, child_tid = 0;
};

CloneArguments clone_arguments(Task &parent) {
    const Registers &registers = parent.tracee.registers();
    const auto args = registers.call_arguments();
    CloneArguments found;
    switch (registers.call()) {
    case SYS_clone:
        found.flags = args[0] & ~static_cast<std::uint64_t>(CSIGNAL);
        found.stack = args[1];
#if defined(__x86_64__)
        found.child_tid = args[3], found.tls = args[4];
#else
        found.tls = args[3], found.child_tid = args[4];
#endif
        break;
    case SYS_clone3: {
        clone_args given{};
        read_memory(parent.tracee.tid(), args[0], &given, std::min<std::size_t>(args[1], sizeof given));
        found.flags = given.flags;
        found.stack = given.stack ? given.stack + given.stack_size : 0;
        found.tls = given.tls;
        found.child_tid = given.child_tid;
        break;
    }
#if defined(SYS_vfork)
    case SYS_vfork:
        found.flags = CLONE_VM | CLONE_VFORK;
        break;
#endif
    default:
        break;
    }
    return found;
}

} // namespace

void Session::apply_fork(const Event &event) {
    Task &parent = tasks_.at(static_cast<std::uint32_t>(event.args[0]));
    const bool is_thread = event.pid == parent.pid;
    const bool is_followed = is_thread || options_.follow.empty() || options_.follow.contains(event.pid);
    const int nr = parent.tracee.registers().call();
    if (!is_clone(nr))
        diverge(event, parent,
                "it makes the call " + call_text(nr, parent.tracee.registers().call_arguments()) +
                    " where a new thread or process was recorded");
    const CloneArguments arguments = clone_arguments(parent);
    // What a child of vfork does up to its exec, it does to its parent's memory.
    if (!is_followed && !(arguments.flags & CLONE_VM))
        return;
    constexpr std::uint64_t as_thread =
        CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
    // Every process is the replayer's own child, and nobody but the replayer learns of its end.
    const std::uint64_t flags = is_thread ? as_thread : (arguments.flags & CLONE_VM) | CLONE_PARENT;
    Tracee tracee = parent.tracee.clone(flags, 0, 0);

    Task child{event.pid, event.tid, std::move(tracee)};
    const bool shares = arguments.flags & CLONE_VM;
    child.space = shares ? parent.space : std::make_shared<AddressSpace>(*parent.space);
    child.descriptors =
        arguments.flags & CLONE_FILES ? parent.descriptors : std::make_shared<Descriptors>(*parent.descriptors);
    child.name = parent.name;
    child.in_call = child.fresh = true;
    child.is_guest = is_thread ? parent.is_guest : !is_followed;
    child.own_tid = event.tid;
    child.clear_tid = arguments.flags & CLONE_CHILD_CLEARTID ? arguments.child_tid : 0;
    child.robust_list = 0;
    Registers registers = parent.tracee.registers();
    if (arguments.stack)
        registers.set_sp(arguments.stack);
#if defined(__x86_64__)
    if (arguments.flags & CLONE_SETTLS)
        registers.raw.fs_base = arguments.tls;
    child.tracee.set_registers(registers);
#else
    child.tracee.set_registers(registers);
    child.tracee.set_tls(arguments.flags & CLONE_SETTLS ? arguments.tls : parent.tracee.tls());
#endif
    if (!shares)
        for (auto &[tid, other] : tasks_)
            if (other.space == parent.space)
                child.space->note_stack(other.tracee.registers().sp());
    if (!shares && parent.space == inserted_space_)
        for (const Inserted &inserted : inserted_)
            write_memory(child.tracee.tid(), inserted.address, inserted.original.data(), inserted.original.size());
    tasks_.insert_or_assign(event.tid, std::move(child));
}

// The program is replaced, and the thread takes over the id of the process's main thread.
void Session::apply_exec(const Event &event) {
    const auto former = static_cast<std::uint32_t>(event.args[0]);
    if (former != event.tid) {
        auto node = tasks_.extract(former);
        if (node.empty())
            return;
        node.key() = event.tid;
        node.mapped().tid = event.tid;
        tasks_.erase(event.tid);
        tasks_.insert(std::move(node));
    }
    if (const Segment *comm = event.segment(RG_SEG_COMM))
        tasks_.at(event.tid).name =
            std::string(comm->bytes.begin(), std::find(comm->bytes.begin(), comm->bytes.end(), 0));
}

void Session::apply_start(const Event &event, Task &task) {
    for (const Segment &segment : event.segments)
        if (segment.arg == RG_SEG_MEMORY && !segment.bytes.empty())
            write_memory(task.tracee.tid(), segment.address, segment.bytes.data(), segment.bytes.size());
    const Segment *registers = event.segment(RG_SEG_REGISTERS);
    if (!registers)
        throw Failure("the recording is damaged: the start of a program has no registers");
    Registers start = parse_registers(registers->bytes, task.tracee.registers());
#if defined(__x86_64__)
    start.raw.orig_rax = ~0ull;
    start.raw.rax = 0; // the result of execve, which comes when the recorded state was taken
#else
    start.raw.regs[0] = 0;
#endif
    task.tracee.set_registers(start);
    if (const Segment *fp = event.segment(RG_SEG_FPREGISTERS))
        cpu_.set_fp_registers(task.tracee, fp->bytes);
    if (const Segment *tls = event.segment(RG_SEG_TLS); tls && tls->bytes.size() >= 8) {
        std::uint64_t value;
        std::memcpy(&value, tls->bytes.data(), sizeof value);
        task.tracee.set_tls(value);
    }
#if defined(__aarch64__)
    for (const Segment &segment : event.segments)
        if (segment.arg == RG_SEG_REGISTER_SET)
            task.tracee.set_machine_state(static_cast<int>(segment.address), segment.bytes);
    task.tracee.set_behind_call(); // of execve
#endif
    task.clear_tid = task.robust_list = 0;
    task.restart = 0;
    task.in_call = task.started = true;
    task.space->read_auxv(task.tracee);
}

// What the kernel does to the memory of other threads when one ends: kernel/fork.c, mm_release.
void Session::release_robust_futexes(Task &task) {
    struct {
        std::uint64_t next;
        std::int64_t offset;
        std::uint64_t pending;
    } head{};
    const pid_t process = task.tracee.tid();
    if (read_memory(process, task.robust_list, &head, sizeof head) != sizeof head)
        return;
    auto release = [&](std::uint64_t entry) {
        const std::uint64_t address = (entry & ~1ull) + static_cast<std::uint64_t>(head.offset);
        std::uint32_t word;
        if (read_memory(process, address, &word, sizeof word) != sizeof word || (word & FUTEX_TID_MASK) != task.own_tid)
            return;
        word = (word & FUTEX_WAITERS) | FUTEX_OWNER_DIED;
        write_memory(process, address, &word, sizeof word);
    };
    constexpr int limit = 2048; // ROBUST_LIST_LIMIT
    std::uint64_t entry = head.next;
    for (int i = 0; i < limit && (entry & ~1ull) != task.robust_list; i++) {
        std::uint64_t next = 0;
        const bool more = read_memory(process, entry & ~1ull, &next, sizeof next) == sizeof next;
        if (entry != head.pending)
            release(entry);
        if (!more)
            break;
        entry = next;
    }
    if (head.pending)
        release(head.pending);
}

void Session::end_thread(Task &task) {
    const bool others = std::any_of(tasks_.begin(), tasks_.end(), [&](const auto &other) {
        return other.second.tid != task.tid && other.second.tracee.process() == task.tracee.process();
    });
    Tracee &tracee = task.tracee;
    if (!others) {
        ::kill(tracee.process(), SIGKILL);
        ::waitpid(tracee.tid(), nullptr, __WALL);
        if (tracee.tid() != tracee.process())
            ::waitpid(tracee.process(), nullptr, __WALL);
        return;
    }
    Registers registers = tracee.registers();
    registers.prepare_call(SYS_exit, {});
    registers.set_pc(stub_code);
    tracee.set_registers(registers);
    tracee.resume(Resume::free);
    // The end of a main thread is told with the end of its process.
    if (tracee.tid() == tracee.process())
        return;
    while (!tracee.is_gone())
        tracee.wait();
}

void Session::apply_exit(const Event &event, Task &task) {
    const bool shared = task.space.use_count() > 1;
    if (task.robust_list)
        release_robust_futexes(task);
    if (shared && task.clear_tid) {
        const std::uint32_t zero = 0;
        write_memory(task.tracee.tid(), task.clear_tid, &zero, sizeof zero);
    }
    if (shared)
        task.space->note_stack(task.tracee.registers().sp());
    end_thread(task);
    tasks_.erase(event.tid);
}

// ---- signals ----

void Session::apply_signal(const Event &event, Task &task) {
    const Segment *registers = event.segment(RG_SEG_HANDLER_REGISTERS);
    if (!registers)
        return; // ignored, a stop, or the thread's end
    task.reported = false;
    task.faulted = 0;
    task.siginfo.clear();
    task.restart = 0;
    task.in_call = false;
    for (const Segment &segment : event.segments)
        if (segment.arg == RG_SEG_MEMORY && segment.flags & RG_SEG_OUT && !segment.bytes.empty() &&
            write_memory(task.tracee.tid(), segment.address, segment.bytes.data(), segment.bytes.size()) !=
                segment.bytes.size())
            diverge(event, task, "the frame of a signal handler can't be written at " + hex(segment.address));
    if (const Segment *before = event.segment(RG_SEG_REGISTERS)) {
        task.struck = parse_registers(before->bytes, task.tracee.registers());
        task.space->note_stack(task.struck->sp()); // the handler may have another
    }
    Registers handler = parse_registers(registers->bytes, task.tracee.registers());
#if defined(__x86_64__)
    handler.raw.orig_rax = ~0ull;
#endif
    task.space->note_stack(handler.sp());
    task.tracee.set_registers(handler);
    if (const Segment *fp = event.segment(RG_SEG_HANDLER_FPREGISTERS))
        cpu_.set_fp_registers(task.tracee, fp->bytes);
}

} // namespace retrograde
