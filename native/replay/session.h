// A replay: the recorded processes made again, each thread run from one of its events to the next, every system call
// answered from the recording (docs/explanation/how-replay-works.md).
#pragma once

#include "base/failure.h"
#include "recording/event_stream.h"
#include "replay/address_space.h"
#include "replay/debug_registers.h"
#include "replay/echo.h"
#include "replay/jump_breakpoint.h"
#include "replay/maps.h"
#include "replay/recorded_cpu.h"
#include "replay/tracee.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace retrograde {

inline constexpr int exit_divergence = 4;

// The replayed program did something else than the recorded one.
class Divergence : public Failure {
  public:
    Divergence(std::uint64_t event, std::uint32_t tid, const std::string &what, const std::string &registers)
        : Failure(what, exit_divergence), event_(event), tid_(tid), registers_(registers) {}
    std::uint64_t event() const { return event_; }
    std::uint32_t tid() const { return tid_; }
    const std::string &registers() const { return registers_; }

  private:
    std::uint64_t event_;
    std::uint32_t tid_;
    std::string registers_;
};

// One recorded thread.
struct Task {
    std::uint32_t pid, tid; // as recorded
    Tracee tracee;
    std::shared_ptr<AddressSpace> space;
    std::shared_ptr<Descriptors> descriptors;
    std::string name;
    bool in_call = false;     // stopped before a call that has not been answered
    std::int64_t restart = 0; // the answer of the last call: -ERESTARTSYS and its like, unless a handler has run
    int last_call = 0;        // its number
    std::uint64_t last_argument = 0;
    std::uint64_t clear_tid = 0; // set_tid_address(2)
    std::uint64_t robust_list = 0;
    std::uint32_t own_tid = 0;     // as the thread sees it, in its namespace
    bool reported = false;         // the breakpoint at its pc has been told of
    bool is_guest = false;         // of a process that is not followed, as long as it shares memory with one that is
    bool fresh = false;            // it has not returned from the call that made it
    bool started = false;          // it begins a new program, whose exec has not returned yet
    int faulted = 0;               // signal of its own making that it is stopped with
    std::vector<Breakpoint> armed; // in its debug registers
    std::vector<unsigned char> siginfo; // of the signal that it is stopped with
    std::optional<Registers> struck;    // where a signal has struck it, until it goes on from its handler's start
};

enum class StopKind { event, step, breakpoint, watchpoint, signal, exec, exited, end, interrupted, time_limit, place };

struct Stop {
    StopKind kind = StopKind::end;
    std::uint32_t tid = 0;
    int signal = 0;
    std::uint64_t address = 0; // what was accessed, or the breakpoint's
    BreakpointKind breakpoint = BreakpointKind::software;
    int status = 0;                     // wait status of a process that has ended
    std::optional<std::uint64_t> event; // that has written, where that is another process's
    std::uint64_t steps = 0;            // instructions that were run one by one
    std::uint64_t passes = 0; // how often the thread came to the program counter of the place that was asked for
};

struct RunRequest {
    std::uint64_t until_event = ~0ull;  // stop where this event is about to happen
    std::uint64_t behind_event = ~0ull; // stop where this event has happened, and no thread has gone on
    std::uint32_t step_tid = 0;         // stop when this thread has run one instruction, or `steps` of them
    std::uint64_t steps = 1;
    std::uint64_t time_limit_ns = 0; // stop after this long; 0: never
    // Stop where this thread, with all events before that one behind it, has these registers.
    struct Place {
        std::uint32_t tid;
        std::uint64_t event;
        Registers registers;
        std::vector<unsigned char> stack; // Tracee::stack(); empty: whatever it is
        // Not 0: where it comes to their program counter for the pass-th time instead, the place where it begins apart.
        std::uint64_t pass = 0;
    };
    std::optional<Place> place;
    bool stops = true; // whether breakpoints, signals, execs and ends of the focused process stop
};

struct EventBefore {
    std::uint64_t event;
    std::uint32_t tid; // that came to it
    bool is_step;      // what happens there is a step, which begins where the event is about to happen
};

struct SessionOptions {
    std::set<std::uint32_t> follow;    // processes that are replayed; all where empty
    std::uint32_t focus = 0;           // process that breakpoints, signals and steps are about
    bool echo = false;                 // show again what went to the terminal
    bool verify = true;                // compare what the kernel read, too
    bool checksums = false;            // and the memory, where checksums of it were recorded
    std::function<bool()> interrupted; // asked when a signal for the replayer comes: whether to stop
};

class Checkpoint;

class Session {
  public:
    Session(EventStream stream, const SessionOptions &options);
    ~Session(); // ends all replayed processes
    Session(const Session &) = delete;

    // Runs on. Throws Divergence, Failure.
    Stop run(const RunRequest &request);
    // Makes a running run() return soon; from any thread or signal handler.
    void interrupt() { stop_running(interrupted_); }
    void end_time() { stop_running(time_is_up_); }
    // Makes it look whether it is to go on.
    void tick() { has_ticked_ = true; }

    std::uint64_t next_event() const { return next_; }
    EventStream &events() { return stream_; }
    // How often the memory of a process has been compared.
    std::uint64_t checksums_compared() const { return checksums_compared_; }
    std::uint32_t focus() const { return options_.focus; }
    void set_focus(std::uint32_t pid) { options_.focus = pid; }
    // The last event before this one that a thread of the focused process came to; where there is none, the one at
    // which another one made it. Nothing where that was another process's.
    std::optional<EventBefore> event_before(std::uint64_t event, std::uint32_t tid);
    // The thread of the next event, where it is there; else 0.
    std::uint32_t current_task();

    const std::map<std::uint32_t, Task> &tasks() const { return tasks_; }
    Task &task(std::uint32_t tid); // throws Failure where there is none
    Task *any_task_of(std::uint32_t pid);

    void add_breakpoint(const Breakpoint &breakpoint);
    void remove_breakpoint(const Breakpoint &breakpoint);
    // Forgets which breakpoints have been told of, or takes the one at the place of a thread for told.
    void forget_reported();
    void mark_reported(std::uint32_t tid);
    // Takes the signal or end that is about to happen for told of.
    void mark_told() { told_ = next_; }

    // CPU time of all replayed threads, ns: how far a run has come.
    std::uint64_t cpu_time_ns() const;

    // The state as it is, to come back to: restore() can be called as often as wanted.
    std::shared_ptr<Checkpoint> checkpoint();
    void restore(const Checkpoint &checkpoint);
    // Whether an event before it turned out to have happened at another place than when it was made.
    bool is_outdated(const Checkpoint &checkpoint) const;
    // How often that has turned out.
    std::size_t places_moved() const { return moved_.size(); }

  private:
    friend class Checkpoint;
    struct Goal {
        enum Kind { call, signal, place } kind;
        int signal_number = 0;
        std::optional<Registers> registers;
        std::vector<WantedWord> words; // of memory, with them
    };
    class PlaceFinder;
    class Way;
    // A place that a thread has come to so early that a loop must come by there again is passed by: the session as it
    // was there, for that may be wrong.
    struct Early {
        std::shared_ptr<Checkpoint> checkpoint;
        std::uint64_t steps, passes;
    };
    // A run as far as it had come when an event had happened.
    struct Begun {
        RunRequest request;
        std::uint64_t behind_event;
        std::uint64_t told, steps, passes;
    };
    // How often a thread on its way to an event's place has come to one with the same registers and memory, and was not
    // taken to be there.
    struct Matches {
        std::uint64_t event = ~0ull, passed = 0;
        bool is_here = false; // it still stands at the last of them
    };
    // The place of an event, that a thread was taken to be at where it may have been another one.
    struct Doubtful {
        std::shared_ptr<Checkpoint> checkpoint; // there
        std::uint64_t passed = 0;               // of the same before it
        unsigned tries = 0;
    };
    // Whether one of the last places before a divergence was the wrong one of several that are the same.
    struct Search {
        std::uint64_t event;                          // that the replay diverged at
        std::map<std::uint64_t, Doubtful> doubtful;   // by event
        std::map<std::uint64_t, std::uint64_t> known; // later_match_ as it was
        std::uint64_t tried = ~0ull;                  // event whose next match is
        bool is_found = false;                        // and it has come
        unsigned tries = 0;
        std::uint64_t begin_ns = 0, begin_own_cpu_ns = 0; // of its tries
        std::uint64_t replayed_cpu_ns = 0;                // that the tries have taken
    };

    // run.cpp: a thread from one event to the next
    bool advance(Task &task, const Goal &goal); // false where something else has stopped it: stop_
    bool handle_stop(Task &task, const Goal &goal, int status);
    bool handle_trap(Task &task, const Goal &goal);
    int wait_for(Task &task);
    void look_around(const Task &task);
    void look_for_lost(const Task &task);
    std::uint64_t recorded_ns();
    bool repeat_to(Task &task, const Registers &wanted, PlaceFinder &finder);
    bool looks_for_place(const Task &task) const;
    bool is_at_asked_place(Task &task) const;
    bool is_at_goal(Task &task, const Goal &goal);
    bool is_at_place(Task &task, const Goal &goal);
    std::optional<Way> begin_way(const Task &task, const Goal &goal);
    bool step_over_breakpoint(Task &task, const Goal &goal);
    enum class Access { made, failed, still_to_come, ended };
    Access finish_access(Task &task, const Goal &goal);
    int run_one_instruction(Task &task);
    bool step_once(Task &task, const Goal &goal);
    bool end_step(Task &task, const Goal &goal, int status);
    bool has_stored_to_watched(Task &task);
    void apply_restart(Task &task);
    std::vector<Breakpoint> hardware_for(const Task &task, const Goal &goal, bool with_places) const;
    std::vector<Breakpoint> hits_of(Task &task) const;
    void arm(Task &task, const std::vector<Breakpoint> &pieces);
    void stop_running(std::atomic<bool> &why);
    void insert_breakpoints();
    void remove_breakpoints();
    std::optional<std::uint64_t> inserted_at(const Task &task, std::uint64_t address) const;
    bool stop(const Stop &stop) {
        stop_ = stop;
        return false;
    }

    // retry.cpp: places that were not found, or were wrong
    void remember_early();
    bool return_to_early();
    void count_match();
    bool passes_by_match();
    bool reconsider();
    bool find_wrong_place(const RunRequest &request);
    bool begin_search();
    void note_match();
    bool try_next_match();
    void begin_again();
    void run_again(const Begun &begun);

    // session.cpp: the events
    Stop run_on();
    Stop stop_with_counts(Stop stop) const;
    Goal goal_of(const Event &event, Task &task);
    std::uint64_t signal_behind(const Event &event);
    bool stops_before(const Event &event, Task &task);
    void apply(const Event &event, Task &task);
    void apply_call(const Event &event, Task &task);
    void compare_call(const Event &event, Task &task) const;
    void compare_ahead(const Event &event, Task &task);
    void compare_memory(const Event &event, Task &task, bool at_enter) const;
    void compare_checksums(const Event &event, Task &task);
    std::vector<AddressRange> stacks(const Task &task);
    std::vector<AddressRange> results_to_come(const Task &task);
    void write_results(const Event &event, Task &task);
    void note_written(const Task &task, std::uint64_t address, std::uint64_t length);
    void note_file_written(const std::string &object, std::uint64_t offset, std::uint64_t length);
    void write_to_other(const Event &event, Task &task);
    void apply_data(const Event &event, Task &task);
    void apply_rows_of_start(Task &task);
    void apply_change(const Event &event);
    void write_change(const Event &event);
    void apply_rows_of_change(std::uint32_t tid);
    bool has_mapped(const std::string &name) const;
    void apply_fork(const Event &event);
    void apply_exec(const Event &event);
    void apply_start(const Event &event, Task &task);
    void apply_exit(const Event &event, Task &task);
    void apply_switch(const Event &event, Task &task);
    void apply_signal(const Event &event, Task &task);
    void remember_call(const Event &event, Task &task);
    void begin(); // at the first program's start
    void end_all();
    void return_from_signal(const Event &event, Task &task);
    void end_thread(Task &task);
    void release_robust_futexes(Task &task);
    [[noreturn]] void diverge(const Event &event, Task &task, const std::string &what) const;

    EventStream stream_;
    SessionOptions options_;
    UniqueFd images_;
    RecordedCpu cpu_;
    SharedMemory shared_;
    std::map<std::uint32_t, Task> tasks_; // by recorded tid
    std::uint64_t next_ = 0;
    std::uint64_t told_ = ~0ull;                         // event whose signal, exec or end has been told of
    std::uint8_t data_of_ = 0;                           // kind of the event whose rows DATA go on
    std::uint64_t steps_ = 0;                            // instructions run one by one
    std::uint64_t passes_ = 0;                           // of the place that was asked for
    std::uint64_t steps_before_ = 0, passes_before_ = 0; // those two when the event before had happened
    unsigned place_misses_ = 0; // how often a place that is looked for was passed with other registers
    std::uint64_t checksums_compared_ = 0, checksum_time_ns_ = 0;
    bool stepped_ = false; // the thread that is stepped has run its instruction, and is in a call
    std::vector<Breakpoint> breakpoints_;
    struct Inserted {
        std::uint64_t address;
        std::vector<unsigned char> original;
    };
    std::vector<Inserted> inserted_; // in the focused process's memory
    std::shared_ptr<AddressSpace> inserted_space_;
    // Of the words recorded with an event's registers, those that a place with these registers did not have: the
    // fewest.
    struct Candidate {
        std::uint64_t event;
        std::set<std::uint64_t> others; // addresses
    };
    std::optional<Candidate> candidate_;
    bool jump_was_before_ = false;         // in the search that goes on: whoever came by another way was not seen
    std::set<std::uint64_t> several_ways_; // events whose places several ways may lead to
    bool jump_compared_words_ = false;     // in the search that goes on: candidates were passed unseen
    // By event: the words that are not looked at when its place is found again; with none, jumps look at no words.
    std::map<std::uint64_t, std::set<std::uint64_t>> doubted_;
    std::uint64_t begun_ = ~0ull;  // event that a thread is on its way to
    std::uint64_t passed_ = ~0ull; // event whose place was come to so early that it was passed by
    std::optional<Early> early_;
    std::set<std::uint64_t> at_once_; // events with whom that was wrong
    Matches match_;
    std::map<std::uint64_t, std::uint64_t> later_match_; // by event: how many places like its own come before it
    std::optional<Search> search_;
    bool is_ahead_ = false;            // the event that is compared is not to happen yet
    std::set<std::uint64_t> given_up_; // divergences that no other match helps against
    std::vector<std::uint64_t> moved_; // events whose places turned out to be other ones, in the order of finding
    std::optional<Stop> watched_;      // a watchpoint on what an event has written
    RunRequest request_;
    Stop stop_{};
    std::atomic<bool> interrupted_ = false, time_is_up_ = false, is_lost_ = false, has_ticked_ = false;
    // The event that was waited for at a tick first, and its thread's CPU time then; when the last tick was, and how
    // long has been waited for the event.
    std::uint64_t tick_event_ = ~0ull, tick_cpu_ns_ = 0, tick_ns_ = 0, waited_ns_ = 0;
    std::atomic<pid_t> running_process_ = 0, running_tid_ = 0;
    Echo echo_;
};

} // namespace retrograde
