// Running a thread from one of its events to the next, and what can stop it on the way.
#include "replay/session.h"

#include "base/clock.h"
#include "base/hex.h"
#include "base/restart.h"
#include "replay/counter_mode.h"
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <set>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <utility>

namespace retrograde {

namespace {

// So often the debug register of a place may stop a thread that has other registers there, before that gets too slow.
constexpr unsigned few_misses = 16;

bool is_invalid_instruction(int status) {
    return WIFSTOPPED(status) && WSTOPSIG(status) == SIGILL && status >> 16 == 0;
}

// Whether the instruction at the program counter runs next, though a debug register has a breakpoint there.
bool goes_over_breakpoint(const Registers &registers) {
#if defined(__x86_64__)
    return registers.raw.eflags & resume_flag; // the kernel sets it where it knows of the breakpoint
#else
    (void)registers;
    return false;
#endif
}

// Whether a stepped thread has stopped for the step, and for nothing that a debug register tells of.
bool is_step_alone(const Task &task, int status) {
    return is_trap(status) &&
           (task.tracee.was_carried_out() || hit_debug_registers(task.tracee.tid(), task.armed).empty());
}

// Whether it was told to stop, by Session::stop_running.
bool is_interrupt(int status) {
    return WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP && status >> 16 == 0;
}

std::string signal_name(int signal) {
    const char *name = ::sigabbrev_np(signal);
    return name ? std::string("SIG") + name : "signal " + std::to_string(signal);
}

} // namespace

// From a signal handler, too.
void Session::stop_running(std::atomic<bool> &why) {
    why = true;
    if (const pid_t tid = running_tid_; tid > 0)
        ::syscall(SYS_tgkill, running_process_.load(), tid, SIGSTOP);
}

// What a signal has interrupted and no handler has answered begins again (signal(7), "Interruption of system calls").
void Session::apply_restart(Task &task) {
    const std::int64_t answer = task.restart;
    if (answer == 0)
        return;
    task.restart = 0;
    Registers registers = task.tracee.registers();
    registers.set_pc(registers.pc() - call_length);
#if defined(__x86_64__)
    registers.set_result(answer == -ERESTART_RESTARTBLOCK ? nr_restart_syscall : task.last_call);
#else
    registers.set_result(static_cast<std::int64_t>(task.last_argument));
    if (answer == -ERESTART_RESTARTBLOCK)
        registers.raw.regs[8] = nr_restart_syscall;
#endif
    task.tracee.set_registers(registers);
}

bool Session::looks_for_place(const Task &task) const {
    return request_.place && request_.place->tid == task.tid && request_.place->event == next_;
}

namespace {

// The addresses of those that are other ones now.
std::set<std::uint64_t> different_words(const Task &task, const std::vector<WantedWord> &words) {
    std::set<std::uint64_t> others;
    std::vector<std::uint64_t> now;
    for (std::size_t first = 0, end = 0; first < words.size(); first = end) {
        do
            end++;
        while (end < words.size() && words[end].address == words[end - 1].address + sizeof now[0]);
        now.resize(end - first);
        const std::size_t got =
            read_memory(task.tracee.tid(), words[first].address, now.data(), now.size() * sizeof now[0]) /
            sizeof now[0];
        for (std::size_t i = 0; i < now.size(); i++)
            if (i >= got || now[i] != words[first + i].value)
                others.insert(words[first + i].address);
    }
    return others;
}

} // namespace

bool Session::is_at_goal(Task &task, const Goal &goal) {
    if (goal.kind != Goal::place || !task.tracee.is_at(*goal.registers))
        return false;
    if (task.fresh) // what the kernel has written for it comes later
        return true;
    std::set<std::uint64_t> others = different_words(task, goal.words);
    if (others.empty())
        return true;
    if (!candidate_ || candidate_->event != next_ || others.size() < candidate_->others.size())
        candidate_ = Candidate{next_, std::move(others)};
    return false;
}

// Whether it is at a place that is looked for, on behalf of the recording or of who runs the replay.
bool Session::is_at_place(Task &task, const Goal &goal) {
    return is_at_goal(task, goal) || is_at_asked_place(task);
}

bool Session::is_at_asked_place(Task &task) const {
    if (!looks_for_place(task))
        return false;
    const RunRequest::Place &place = *request_.place;
    return place.pass == 0 ? task.tracee.is_at(place.registers) && task.tracee.has_stack(place.stack)
                           : passes_ == place.pass && task.tracee.registers().pc() == place.registers.pc();
}

int Session::wait_for(Task &task) {
    for (;;) {
        const int status = task.tracee.wait();
        if (status != -1)
            return status;
        look_around(task);
    }
}

void Session::look_around(const Task &task) {
    has_ticked_ = false;
    const CounterMode others_may_read_clocks(true);
    if (options_.interrupted && options_.interrupted())
        interrupt();
    look_for_lost(task);
}

// What the way to the next event took when it was recorded: threads run one at a time.
std::uint64_t Session::recorded_ns() {
    const std::uint64_t end = stream_[next_].exit, begin = next_ > 0 ? stream_[next_ - 1].exit : end;
    return end > begin ? end - begin : 0;
}

// How far a thread has come on the way to its next event, by its CPU time.
class Session::Way {
  public:
    // `begun_ns`, `recorded_ns`: its CPU time where the way begins, and what the way took when it was recorded.
    Way(std::uint64_t begun_ns, std::uint64_t recorded_ns)
        : begun_ns_(begun_ns), last_ns_(begun_ns), recorded_ns_(recorded_ns) {}

    // It has stopped once more, which took a part of its time.
    void stopped(std::uint64_t now_ns) {
        stop_ns_ = std::min(stop_ns_, now_ns - last_ns_);
        last_ns_ = now_ns;
        stops_++;
    }

    // Something else has taken its time since.
    void pause_ended(std::uint64_t now_ns) {
        begun_ns_ += now_ns - last_ns_;
        last_ns_ = now_ns;
    }

    // Whether it is so small a part of the way that a thread that is at its place already must come by there again.
    bool is_beginning() const {
        constexpr std::uint64_t part = 10;
        return last_ns_ - begun_ns_ < stops_ * stop_ns_ + recorded_ns_ / part;
    }

  private:
    std::uint64_t begun_ns_, last_ns_, recorded_ns_;
    std::uint64_t stops_ = 0, stop_ns_ = 30'000; // what a stop takes at least
};

// Nothing where the thread may be at its place at once, or has gone a part of the way already: then nobody knows how
// much.
std::optional<Session::Way> Session::begin_way(const Task &task, const Goal &goal) {
    constexpr std::uint64_t least_ns = 200'000; // less may have gone by in the kernel
#if defined(__x86_64__)
    constexpr bool time_tells = true;
#else // under emulation code is slow when it runs for the first time
    constexpr bool time_tells = false;
#endif
    const bool has_begun = std::exchange(begun_, next_) == next_;
    if (!time_tells || has_begun || goal.kind != Goal::place || next_ == 0 || at_once_.contains(next_) ||
        later_match_.contains(next_))
        return std::nullopt;
    const std::uint64_t recorded = recorded_ns();
    if (recorded < least_ns)
        return std::nullopt;
    // It went on from the event before: that one was its own, and did not take the CPU from it.
    const Event &before = stream_[next_ - 1];
    if (before.tid != task.tid || (before.kind != RG_SYSCALL && before.kind != RG_TRAP))
        return std::nullopt;
    // Nobody comes twice to an instruction that traps.
    if (next_ + 1 < stream_.size())
        if (const Event &behind = stream_[next_ + 1];
            behind.tid == task.tid && behind.kind == RG_TRAP && behind.args[1] == goal.registers->pc())
            return std::nullopt;
    return Way(process_cpu_ns(task.tracee.process()), recorded);
}

// Stops a thread that has run far longer than when it was recorded, and so may run for ever: it has passed the place
// where a signal would have ended a loop. Of its own time, what places with other registers took does not count, which
// is guessed; of all time, what they may take at the very most does.
void Session::look_for_lost(const Task &task) {
#if defined(__x86_64__)
    constexpr std::uint64_t factor = 20, least_ns = 1'000'000'000, miss_ns = 100'000;
    constexpr std::uint64_t factor_of_all = 20'000, least_of_all_ns = 30'000'000'000;
#else // under emulation a few milliseconds of the recording have taken seconds
    constexpr std::uint64_t factor = 20, least_ns = 20'000'000'000, miss_ns = 1'000'000;
    constexpr std::uint64_t factor_of_all = 100'000, least_of_all_ns = 60'000'000'000;
#endif
    if (request_.step_tid != 0 || (request_.stops && !breakpoints_.empty() && !looks_for_place(task)))
        return;
    constexpr std::uint64_t longest_tick_ns = 2'000'000'000; // a replay may have been stopped meanwhile
    const std::uint64_t cpu = process_cpu_ns(task.tracee.process()), now = read_clock_ns(CLOCK_MONOTONIC);
    if (std::exchange(tick_event_, next_) != next_)
        tick_cpu_ns_ = cpu, tick_ns_ = now, waited_ns_ = 0;
    waited_ns_ += std::min(now - std::exchange(tick_ns_, now), longest_tick_ns);
    const std::uint64_t limit = factor * recorded_ns() + least_ns + place_misses_ * miss_ns;
    const std::uint64_t limit_of_all = factor_of_all * recorded_ns() + least_of_all_ns;
    if ((cpu > tick_cpu_ns_ && cpu - tick_cpu_ns_ > limit) || waited_ns_ > limit_of_all)
        stop_running(is_lost_);
}

std::vector<Breakpoint> Session::hardware_for(const Task &task, const Goal &goal, bool with_places) const {
    std::vector<Breakpoint> pieces;
    // Who asks for a place asks for one that comes before the one that was recorded, or finds that it has been passed.
    const bool is_goal_hindrance = looks_for_place(task) && place_misses_ > few_misses;
    if (goal.kind == Goal::place && with_places && !is_goal_hindrance)
        pieces.push_back({BreakpointKind::hardware, goal.registers->pc(), 1});
    if (looks_for_place(task) && with_places)
        pieces.push_back({BreakpointKind::hardware, request_.place->registers.pc(), 1});
    if (task.pid == options_.focus && request_.stops)
        for (const Breakpoint &breakpoint : breakpoints_)
            if (is_watchpoint(breakpoint))
                for (const Breakpoint &piece : hardware_pieces(breakpoint))
                    pieces.push_back(piece);
    if (pieces.size() > most_hardware_pieces)
        throw Failure("a signal or thread switch has to be found here, which takes one of the " +
                      std::to_string(most_hardware_pieces) +
                      " debug registers, and watchpoints use all: remove one watchpoint");
    return pieces;
}

void Session::arm(Task &task, const std::vector<Breakpoint> &pieces) {
    if (pieces != task.armed) {
        set_debug_registers(task.tracee.tid(), pieces);
        task.armed = pieces;
    }
}

std::optional<std::uint64_t> Session::inserted_at(const Task &task, std::uint64_t address) const {
    for (const Inserted &inserted : inserted_)
        if (inserted.address == address && task.space == inserted_space_)
            return address;
    return std::nullopt;
}

// Breakpoints in code are there only while something runs: nobody who reads the memory sees them.
void Session::insert_breakpoints() {
    Task *focus = any_task_of(options_.focus);
    if (!focus || !request_.stops)
        return;
    inserted_space_ = focus->space;
    for (const Breakpoint &breakpoint : breakpoints_) {
        if (is_watchpoint(breakpoint))
            continue;
        Inserted inserted{breakpoint.address, std::vector<unsigned char>(breakpoint_code.size())};
        if (read_memory(focus->tracee.tid(), inserted.address, inserted.original.data(), inserted.original.size()) !=
            inserted.original.size())
            continue; // not mapped at the moment
        if (write_code(focus->tracee, inserted.address, breakpoint_code.data(), breakpoint_code.size()) ==
            breakpoint_code.size())
            inserted_.push_back(std::move(inserted));
    }
}

void Session::remove_breakpoints() {
    Task *user = nullptr;
    for (auto &[tid, task] : tasks_)
        if (task.space == inserted_space_)
            user = &task;
    for (const Inserted &inserted : inserted_) {
        // What has been written or mapped there since is the program's.
        unsigned char now[sizeof breakpoint_code];
        if (user && read_memory(user->tracee.tid(), inserted.address, now, sizeof now) == sizeof now &&
            std::equal(breakpoint_code.begin(), breakpoint_code.end(), now))
            write_code(user->tracee, inserted.address, inserted.original.data(), inserted.original.size());
    }
    inserted_.clear();
    inserted_space_.reset();
}

// One instruction, with the breakpoint at its address taken out. Returns false where that has ended in a stop.
bool Session::step_over_breakpoint(Task &task, const Goal &goal) {
    const std::uint64_t pc = task.tracee.registers().pc();
    const auto at = std::find_if(inserted_.begin(), inserted_.end(),
                                 [&](const Inserted &inserted) { return inserted.address == pc; });
    write_code(task.tracee, pc, at->original.data(), at->original.size());
    const int status = run_one_instruction(task);
    const bool is_carried_out = is_invalid_instruction(status) && cpu_.carry_out(task.tracee);
    if (!task.tracee.is_gone())
        write_code(task.tracee, pc, breakpoint_code.data(), breakpoint_code.size());
    return is_carried_out || end_step(task, goal, status);
}

// The access that a watchpoint has stopped a thread before.
Session::Access Session::finish_access(Task &task, const Goal &goal) {
    constexpr int most_interrupts = 8;
    const std::uint64_t pc = task.tracee.registers().pc();
    arm(task, {});
    for (int i = 0; i < most_interrupts && task.tracee.registers().pc() == pc && !task.faulted; i++) {
        const bool goes_on = inserted_at(task, pc) ? step_over_breakpoint(task, goal) : step_once(task, goal);
        if (!goes_on)
            return Access::ended;
    }
    if (task.faulted || task.tracee.registers().pc() == pc)
        return Access::still_to_come;
    return task.tracee.has_failed_exclusive() ? Access::failed : Access::made;
}

// One instruction that nobody has asked for. Returns false where that has ended in a stop.
bool Session::step_once(Task &task, const Goal &goal) {
    return end_step(task, goal, run_one_instruction(task));
}

// An interrupt may have been on its way when the thread had stopped by itself: that is not its instruction's end.
int Session::run_one_instruction(Task &task) {
    for (;;) {
        task.tracee.resume(Resume::step_calls);
        if (const int status = wait_for(task); !is_interrupt(status))
            return status;
    }
}

// After such an instruction. Returns false where that is a stop.
bool Session::end_step(Task &task, const Goal &goal, int status) {
    return !has_stored_to_watched(task) && (is_step_alone(task, status) || handle_stop(task, goal, status));
}

// A store that was carried out for the thread has written what is watched, which is told as a stop.
bool Session::has_stored_to_watched(Task &task) {
    const auto written = task.tracee.take_written();
    if (!written)
        return false;
    watched_.reset();
    note_written(task, written->address, written->length);
    return watched_ && !stop(*watched_);
}

namespace {

std::vector<WantedWord> stack_words(const RunRequest::Place &place) {
    std::vector<WantedWord> words;
    const std::uint64_t begin = place.registers.sp() - stack_red_zone;
    for (std::size_t at = (8 - begin % 8) % 8; at + 8 <= place.stack.size(); at += 8) {
        WantedWord word{begin + at, 0};
        std::memcpy(&word.value, place.stack.data() + at, 8);
        words.push_back(word);
    }
    return words;
}

} // namespace

// Looks for a place that is passed often with other registers: by a jump to code that compares them.
class Session::PlaceFinder {
  public:
    PlaceFinder(Session &session, Task &task, const Goal &goal) : session_(session), task_(task), goal_(goal) {
        session_.place_misses_ = 0;
        session_.jump_compared_words_ = session_.jump_was_before_ = false;
        // A debug register stops a repeated string instruction at every turn.
        unsigned char bytes[8] = {};
        if (session_.looks_for_place(task_) || goal_.kind == Goal::place) {
            read_memory(task_.tracee.tid(), wanted().pc(), bytes, sizeof bytes);
            string_ = repeated_string(bytes);
            is_useless_ = task_.tracee.has_exclusive_around(wanted().pc()); // what the jump leads to is too long
        }
    }
    PlaceFinder(const PlaceFinder &) = delete;
    ~PlaceFinder() { take_out(); }

    // Whether it sees by itself where the thread comes to its place.
    bool sees() const { return jump_ || is_tracing_; }
    bool is_in() const { return jump_ != nullptr; }
    const std::optional<RepeatedString> &string() const { return string_; }

    void take_out() {
        if (jump_ && !task_.tracee.is_gone()) {
            jump_->leave_pad(task_.tracee, false);
            count();
            jump_->remove(task_.tracee);
        }
        jump_.reset();
    }

    // Before the thread goes on; returns how.
    Resume prepare(Resume how) {
        if (!jump_ && !is_useless_ && !is_tracing_ && session_.place_misses_ > (string_ ? 0 : few_misses))
            put_in(wanted().pc());
        // Not every turn of the loop is short.
        if (trace_again_at_ != 0 && session_.place_misses_ >= trace_again_at_ && !is_tracing_)
            begin_trace();
        if (jump_)
            jump_->go_on(task_.tracee);
        if (is_tracing_)
            traced_from_ = task_.tracee.registers().pc();
        return is_tracing_ ? Resume::step_calls : how;
    }

    // After a stop. Returns whether it was the finder's own, and the thread can be looked at or go on.
    bool take(int status) {
        if (!WIFSTOPPED(status))
            return false;
        Tracee &tracee = task_.tracee;
        const bool trapped = is_trap(status);
        if (is_tracing_)
            return trace(status);
        if (!jump_)
            return false;
        if (jump_->leave_pad(tracee, trapped)) {
            count();
            if (session_.looks_for_place(task_)) // more may tell it from the place than the jump compares
                session_.place_misses_++;
            return true;
        }
        const bool is_invalid = trapped || (WSTOPSIG(status) == SIGILL && status >> 16 == 0);
        if (!is_invalid || !jump_->was_landed_on(tracee.registers()))
            return false;
        Registers registers = tracee.registers();
        if (trapped)
            registers.set_pc(registers.pc() - breakpoint_advance);
        tracee.set_registers(registers);
        is_useless_ = true;
        take_out();
        // Something jumps to an instruction behind the place. Those before it may do.
        if (!is_before_ && may_be_before())
            begin_trace();
        return true;
    }

  private:
    // Adds what the jump has counted since the last time.
    void count() {
        const std::uint64_t passes = jump_->passes(task_.tracee);
        if (session_.looks_for_place(task_))
            session_.passes_ += passes - counted_;
        counted_ = passes;
    }

    const Registers &wanted() const {
        return session_.looks_for_place(task_) ? session_.request_.place->registers : *goal_.registers;
    }

    // Whether a repeated string instruction at the place may have written it before it was interrupted: the jump looks
    // at memory before the first turn.
    bool may_be_written_by_string(const WantedWord &word) const {
#if defined(__x86_64__)
        constexpr std::uint64_t direction_flag = 1 << 10;
        const user_regs_struct &at = wanted().raw;
        if (string_ && string_->uses_destination)
            return at.eflags & direction_flag ? word.address + sizeof word.value > at.rdi : word.address < at.rdi;
#endif
        (void)word;
        return false;
    }

    // Whether a jump may stand before the place: who comes to the place by another way, it does not see.
    bool may_be_before() const {
        return session_.request_.step_tid != task_.tid && !session_.several_ways_.contains(session_.next_);
    }

    void begin_trace() {
        is_tracing_ = true;
        trace_again_at_ = 0;
        traced_.clear();
    }

    // Instructions before the place are told by running one turn of the loop step by step.
    bool trace(int status) {
        constexpr std::size_t most_steps = 3000;
        const std::uint64_t here = task_.tracee.registers().pc();
        if (!is_step_alone(task_, status) || session_.inserted_at(task_, here - 1)) {
            is_tracing_ = false;
            return false;
        }
        traced_.push_back(traced_from_);
        if (here == wanted().pc()) {
            is_tracing_ = false;
            session_.passes_++;
            put_in_before(here);
            if (!jump_)
                session_.passes_--; // its debug register counts it
        } else if (traced_.size() > most_steps) {
            is_tracing_ = false;
            trace_again_at_ = 4 * session_.place_misses_;
        }
        return true;
    }

    // The last instructions of the turn that were carried out one after the other, as many as a jump needs.
    void put_in_before(std::uint64_t place) {
        constexpr std::uint64_t needed = 5, most = 40;
        std::uint64_t from = place;
        for (auto at = traced_.rbegin(); at != traced_.rend(); ++at) {
            if (*at >= from || from - *at > 15)
                break;
            from = *at;
            if (place - from >= needed)
                break;
        }
        if (place - from >= needed && place - from <= most)
            put_in(from);
    }

    void put_in(std::uint64_t before) {
        is_useless_ = true;
        const bool on_behalf = session_.looks_for_place(task_);
        if (session_.request_.step_tid == task_.tid)
            return;
        constexpr std::uint64_t reach = 48; // bytes that a jump may cover
        for (const Inserted &inserted : session_.inserted_)
            if (inserted.address + reach > before && inserted.address < before + reach)
                return;
        // Words that are other ones now tell most.
        std::vector<WantedWord> words;
        if (on_behalf && session_.request_.place->pass == 0)
            words = stack_words(*session_.request_.place);
        else if (!on_behalf && !session_.doubted_.contains(session_.next_))
            words = goal_.words;
        const std::set<std::uint64_t> others = different_words(task_, words);
        std::erase_if(words, [&](const WantedWord &word) {
            std::uint64_t now; // what can be read stays so: the thread makes no call up to the place
            return !others.contains(word.address) || may_be_written_by_string(word) ||
                   read_memory(task_.tracee.tid(), word.address, &now, sizeof now) != sizeof now;
        });
        std::uint64_t limit = 0;
        if (on_behalf && session_.request_.place->pass != 0) {
            if (session_.passes_ >= session_.request_.place->pass)
                return;
            limit = session_.request_.place->pass - session_.passes_;
        }
        jump_ = JumpBreakpoint::insert(task_.tracee, wanted(), words, before, limit);
        is_before_ = before != wanted().pc();
        session_.jump_was_before_ |= jump_ && is_before_;
        session_.jump_compared_words_ |= jump_ && !on_behalf && !words.empty();
        counted_ = 0;
        is_useless_ = !jump_;
        if (!jump_ && before == wanted().pc() && may_be_before() && task_.tracee.registers().pc() == before) {
            begin_trace();
            is_useless_ = true; // unless the trace finds a way
        }
    }

    Session &session_;
    Task &task_;
    const Goal &goal_;
    std::unique_ptr<JumpBreakpoint> jump_;
    bool is_useless_ = false, is_tracing_ = false, is_before_ = false;
    std::optional<RepeatedString> string_; // at the place
    std::uint64_t traced_from_ = 0, counted_ = 0;
    unsigned trace_again_at_ = 0; // misses; 0: not again
    std::vector<std::uint64_t> traced_;
};

// At a string instruction that was interrupted at one of its turns, where this may be it: carries out as many turns.
// Returns whether the thread has moved.
bool Session::repeat_to(Task &task, const Registers &wanted, PlaceFinder &finder) {
#if defined(__x86_64__)
    const Registers now = task.tracee.registers();
    const std::optional<RepeatedString> &string = finder.string();
    if (!string || now.pc() != wanted.pc() || now.raw.rcx <= wanted.raw.rcx)
        return false;
    constexpr std::uint64_t direction_flag = 1 << 10;
    const std::uint64_t turns = now.raw.rcx - wanted.raw.rcx;
    const std::uint64_t moved = now.raw.eflags & direction_flag ? -turns * string->step : turns * string->step;
    Registers expected = now;
    expected.raw.rcx = wanted.raw.rcx;
    expected.raw.rsi += string->uses_source ? moved : 0;
    expected.raw.rdi += string->uses_destination ? moved : 0;
    expected.raw.eflags = wanted.raw.eflags;
    if (!same_place(expected, wanted))
        return false;

    finder.take_out();
    Registers shorter = now;
    shorter.raw.rcx = turns;
    task.tracee.set_registers(shorter);
    arm(task, {{BreakpointKind::hardware, now.pc() + string->length, 1}});
    for (;;) {
        task.tracee.resume(Resume::calls);
        const int status = wait_for(task);
        if (!WIFSTOPPED(status) || (WSTOPSIG(status) != SIGTRAP && WSTOPSIG(status) != SIGSTOP))
            throw Failure("a replayed thread does not carry out a string instruction as it did when it was recorded");
        if (WSTOPSIG(status) == SIGTRAP && !hits_of(task).empty()) {
            forget_hits(task.tracee.tid());
            break;
        }
    }
    Registers after = task.tracee.registers();
    if (after.raw.rcx != 0) { // a comparison has ended it before
        after.raw.rcx += wanted.raw.rcx;
        task.tracee.set_registers(after);
    } else {
        task.tracee.set_registers(expected);
    }
    return true;
#else
    (void)task, (void)wanted, (void)finder;
    return false;
#endif
}

bool Session::advance(Task &task, const Goal &goal) {
    const bool focused = task.pid == options_.focus;
    PlaceFinder finder(*this, task, goal);
    bool has_run = false, has_moved = false;
    std::optional<Way> way = begin_way(task, goal);
    for (;;) {
        if (way && has_run)
            way->stopped(process_cpu_ns(task.tracee.process()));
        if (task.in_call) {
            if (goal.kind == Goal::call)
                return true;
            if (task.fresh && goal.kind == Goal::place) { // it has left the call that made it, whose row comes later
                Registers child = task.tracee.registers();
                child.set_result(0);
                task.tracee.set_registers(child);
                task.in_call = false;
                continue;
            }
            diverge(stream_[next_], task,
                    std::string("it makes the system call ") + std::to_string(task.tracee.registers().call()) +
                        " where " +
                        (goal.kind == Goal::signal ? signal_name(goal.signal_number) : "a switch or signal") +
                        " was recorded");
        }
#if defined(__aarch64__)
        if (goal.kind == Goal::place && task.tracee.is_behind_call(*goal.registers))
            return true;
#endif
        // A signal that interrupts a call comes before the call begins again.
        if (goal.kind == Goal::place && task.restart != 0) {
            task.tracee.settle_after_call();
            if (is_at_goal(task, goal))
                return true;
#if defined(__aarch64__)
            // The kernel has gone back before it tells of the signal (arch/arm64/kernel/signal.c: do_signal).
            Registers again = task.tracee.registers();
            again.set_pc(again.pc() - call_length);
            again.set_result(static_cast<std::int64_t>(task.last_argument));
            if (same_place(again, *goal.registers))
                return true;
#endif
        }
        apply_restart(task);
        if (goal.kind == Goal::place || looks_for_place(task))
            task.tracee.settle_after_call();
        if (is_at_asked_place(task))
            return stop({StopKind::place, task.tid});
        bool leaves_match = false;
        if (is_at_goal(task, goal)) {
            const bool is_early = way && way->is_beginning();
            if (!is_early && !passes_by_match())
                return true;
            if (is_early && std::exchange(passed_, next_) != next_) {
                finder.take_out();
                remember_early();
                way->pause_ended(process_cpu_ns(task.tracee.process()));
            }
            count_match();
            leaves_match = true;
        }
        if (goal.kind == Goal::signal && task.faulted == goal.signal_number)
            return true;
        // A fault that was stopped at before other threads ran: they may have mended its cause.
        if (goal.kind == Goal::signal && !has_run && goal.registers &&
            same_place(task.tracee.registers(), *goal.registers)) {
            task.faulted = goal.signal_number;
            return true;
        }
        has_run = true;
        if (has_ticked_) // which nobody sees who never waits for long
            look_around(task);
        if (goal.kind == Goal::place && repeat_to(task, *goal.registers, finder))
            continue;
        if (looks_for_place(task) && request_.place->pass == 0 && repeat_to(task, request_.place->registers, finder))
            continue;
        if (interrupted_.exchange(false))
            return stop({StopKind::interrupted, task.tid});
        if (time_is_up_.exchange(false))
            return stop({StopKind::time_limit, task.tid});
        if (is_lost_.exchange(false)) {
            tick_event_ = ~0ull;
            diverge(stream_[next_], task,
                    "it runs on and on, and does not come to what happened " + std::to_string(recorded_ns() / 1000) +
                        " us after the event before");
        }

        const bool at_breakpoint = inserted_at(task, task.tracee.registers().pc()).has_value();
        const bool was_reported = task.reported, had_moved = has_moved;
        if (at_breakpoint && focused && !task.reported) {
            task.reported = true;
            return stop({StopKind::breakpoint, task.tid, 0, task.tracee.registers().pc()});
        }
        task.reported = false;
        const bool stepping = request_.step_tid == task.tid;
        Resume how = finder.prepare(stepping ? Resume::step_calls : Resume::calls);
        const bool begins_at_place =
            looks_for_place(task) && task.tracee.registers().pc() == request_.place->registers.pc();
        const bool is_over_place = (leaves_match && !finder.is_in()) || (!has_moved && begins_at_place);
        const bool goes_singly = is_over_place || (!stepping && !at_breakpoint && task.tracee.is_amid_exclusive());
        const bool steps_off = goes_singly && !stepping;
        if (goes_singly)
            how = Resume::step_calls;
        // Who goes step by step looks after each: a breakpoint would be told of in place of a step.
        arm(task, hardware_for(task, goal, !goes_singly && !finder.sees() && !stepping));
        has_moved = true;
        if (at_breakpoint) {
            match_.is_here = false;
            if (!step_over_breakpoint(task, goal))
                return false;
            if (stepping && !task.in_call && !task.faulted && ++steps_ >= request_.steps)
                return stop({StopKind::step, task.tid});
            stepped_ = stepping;
            continue;
        }
        running_process_ = task.tracee.process();
        running_tid_ = task.tracee.tid();
        if (interrupted_ || time_is_up_ || is_lost_) { // came before anybody could be told to stop
            running_tid_ = 0;
            continue;
        }
        const bool was_match = std::exchange(match_.is_here, false);
        const Registers before = task.tracee.registers();
        task.tracee.resume(how);
        const int status = wait_for(task);
        running_tid_ = 0;
        stepped_ = stepping;
        if (has_stored_to_watched(task))
            return false;
        if (is_interrupt(status) && same_place(task.tracee.registers(), before)) { // it has not moved yet
            match_.is_here = was_match;
            task.reported = was_reported;
            has_moved = had_moved;
        }
        const bool is_finders = finder.take(status);
        if (is_finders || (steps_off && is_step_alone(task, status)))
            continue;
        if (!handle_stop(task, goal, status))
            return false;
    }
}

// What of its debug registers has stopped it.
std::vector<Breakpoint> Session::hits_of(Task &task) const {
    if (task.tracee.was_carried_out())
        return {};
    std::vector<Breakpoint> hits = hit_debug_registers(task.tracee.tid(), task.armed);
    if (hits.empty() && request_.step_tid != task.tid)
        hits = likely_hit(task.tracee.tid(), task.armed, task.tracee.registers());
    return hits;
}

// Returns false where the run ends here.
bool Session::handle_stop(Task &task, const Goal &goal, int status) {
    if (!WIFSTOPPED(status))
        throw Failure("a replayed thread was killed from outside the replay");
    const int signal = WSTOPSIG(status);
    if (signal == (SIGTRAP | 0x80)) {
        task.in_call = true;
        return true;
    }
    if (status >> 16 != 0)
        return true; // PTRACE_EVENT_STOP and the like: nothing of the program's
    if (signal == SIGSTOP)
        return true; // an interrupt: the flags say so
    if (signal == SIGTRAP)
        return handle_trap(task, goal);
    if (signal == SIGILL && cpu_.carry_out(task.tracee))
        return request_.step_tid != task.tid || ++steps_ < request_.steps || stop({StopKind::step, task.tid});
    const auto info = task.tracee.siginfo();
    task.siginfo.assign(info.begin(), info.end());
    if (goal.kind == Goal::signal && goal.signal_number == signal) {
        task.faulted = signal;
        return true;
    }
    siginfo_t details{};
    std::memcpy(&details, info.data(), sizeof details);
    diverge(stream_[next_], task,
            "it got " + signal_name(signal) + " at " + hex(task.tracee.registers().pc()) + " (address " +
                hex(reinterpret_cast<std::uint64_t>(details.si_addr)) + "), and none was recorded there");
}

bool Session::handle_trap(Task &task, const Goal &goal) {
    const bool focused = task.pid == options_.focus;
    Registers registers = task.tracee.registers();
    siginfo_t info{};
    const auto bytes = task.tracee.siginfo();
    std::memcpy(&info, bytes.data(), sizeof info);

    if (const auto hits = hits_of(task); !hits.empty()) {
        forget_hits(task.tracee.tid());
        const Breakpoint *watched = nullptr;
        bool is_breakpoint = false, is_pass = false; // the recorded place may be at the same instruction
        for (const Breakpoint &piece : hits) {
            if (is_watchpoint(piece)) {
                watched = watched ? watched : &piece;
                continue;
            }
            is_breakpoint = true;
            is_pass |= looks_for_place(task) && piece.address == request_.place->registers.pc();
        }
        passes_ += is_pass;
        const Access access = watched && is_access_to_come ? finish_access(task, goal) : Access::made;
        if (access == Access::ended || access == Access::still_to_come)
            return access == Access::still_to_come;
        if (access == Access::failed)
            return request_.step_tid != task.tid || ++steps_ < request_.steps || stop({StopKind::step, task.tid});
        if (watched && focused && request_.stops)
            return stop({StopKind::watchpoint, task.tid, 0, watched->address, watched->kind});
        // The place that is looked for, or another with its pc.
        if (!is_breakpoint || is_at_place(task, goal))
            return true;
        place_misses_++;
        if (goes_over_breakpoint(registers) || inserted_at(task, registers.pc()))
            return true;
        arm(task, hardware_for(task, goal, false)); // it would be hit again at once
        return step_once(task, goal);
    }
    if (info.si_code == TRAP_HWBKPT) // of a debug register that has been given to another place since
        return true;
    if (inserted_at(task, registers.pc() - breakpoint_advance) && info.si_code != TRAP_TRACE) {
        registers.set_pc(registers.pc() - breakpoint_advance);
        task.tracee.set_registers(registers);
        task.reported = !focused; // advance() tells of it
        return true;
    }
    if (request_.step_tid == task.tid && (info.si_code == TRAP_TRACE || info.si_code == TRAP_BRKPT) && stepped_ &&
        !(goal.kind == Goal::signal && goal.signal_number == SIGTRAP && info.si_code != TRAP_TRACE))
        return ++steps_ < request_.steps || stop({StopKind::step, task.tid});
    if (goal.kind == Goal::signal && goal.signal_number == SIGTRAP) {
        task.siginfo.assign(bytes.begin(), bytes.end());
        task.faulted = SIGTRAP;
        return true;
    }
    // It was switched out with the trap, whose signal comes next.
    if (is_at_goal(task, goal)) {
        task.siginfo.assign(bytes.begin(), bytes.end());
        task.faulted = SIGTRAP;
        return true;
    }
    diverge(stream_[next_], task, "it trapped at " + hex(registers.pc()) + ", and nothing was recorded there");
}

} // namespace retrograde
