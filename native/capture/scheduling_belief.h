// What recorded programs believe of how their threads are scheduled, and of what else the recording keeps from them.
// All of them share one CPU, on which they run in turns; calls that would end that are made, and undone at once.
#pragma once

#include "capture/serialisation.h"
#include "wire.h"

#include <cstdint>
#include <map>
#include <sched.h>
#include <sys/types.h>

namespace retrograde {

class SchedulingBelief {
  public:
    // What the command begins with.
    void begin_with(const Serialisation &serialisation);

    // Whether a call is to be handed to correct(), successful or not.
    static bool concerns(int nr);
    // The options of prctl(2) among those calls.
    static bool concerns_option(std::uint64_t option);

    // Follows threads: FORK, EXEC, EXIT.
    void look_at(const rg_event &event);

    // A thread is stopped behind a call: undoes what the call has changed, and changes what the call has told, in the
    // event and in the thread.
    void correct(rg_event &call);

    // Whether a thread has forbidden itself to read the time stamp counter.
    bool forbids_counter(pid_t tid) const;

    // For a thread that goes on without us.
    void give_back(pid_t tid) const;

  private:
    struct Belief {
        SchedulingAttributes attributes;
        cpu_set_t cpus{};
        std::uint64_t slack = 0, default_slack = 0; // PR_SET_TIMERSLACK
        bool forbids_counter = false;               // PR_SET_TSC
    };
    Belief *asked(const rg_event &call, pid_t &tid);
    void undo(pid_t tid) const;
    void has_set(const rg_event &call);
    void tell_attributes(const rg_event &call, pid_t tid, const Belief &belief) const;
    void correct_prctl(rg_event &call, Belief &belief);

    std::map<pid_t, Belief> threads_;
    Belief first_; // of the command
    SchedulingAttributes ours_;
    cpu_set_t our_cpus_{};
};

} // namespace retrograde
