// All threads of a recorded command share one CPU, on which they switch only where one waits, and are refused what a
// recording cannot tell. The command sets itself up so before its exec; its descendants inherit it.
#pragma once

#include <cstdint>
#include <sched.h>
#include <string>
#include <sys/types.h>
#include <vector>

namespace retrograde {

// struct sched_attr, as far as all kernels have it (sched_setattr(2)).
struct SchedulingAttributes {
    std::uint32_t size = 0, policy = 0;
    std::uint64_t flags = 0;
    std::int32_t nice = 0;
    std::uint32_t priority = 0;
    std::uint64_t runtime = 0, deadline = 0, period = 0;
};
SchedulingAttributes scheduling_attributes(pid_t tid);

class Serialisation {
  public:
    // Chooses the CPU: the last that this process may use.
    Serialisation();

    // In the child, while it has its caller's privileges. Returns whether it has got real-time scheduling.
    bool apply_in_child() const;

    // In the capture: leaves the CPU to the command, or, where there is no other, comes first on it.
    void keep_out_of_the_way() const;

    // In a capture that lets the command run and waits for it in turns: the two change fastest on one CPU, and must not
    // wait for another recording's command at each change. To be called by the thread that does so.
    void take_turns_with(pid_t command) const;

    int cpu() const { return cpu_; }
    // What the command would have without us.
    const cpu_set_t &allowed() const { return allowed_; }
    const SchedulingAttributes &attributes() const { return attributes_; }
    std::uint64_t timer_slack() const { return timer_slack_; }

    // The calls that fail with ENOSYS.
    static std::vector<std::string> vetoed();

  private:
    int cpu_ = 0;
    cpu_set_t allowed_{};
    SchedulingAttributes attributes_;
    std::uint64_t timer_slack_ = 0;
};

// As long as it lives, nothing of the command runs: the calling thread has its CPU. Of no use where the command has no
// real-time scheduling.
class Standstill {
  public:
    explicit Standstill(const Serialisation &serialisation);
    ~Standstill();
    Standstill(const Standstill &) = delete;
    // Whether it has come about.
    bool holds() const;

  private:
    int cpu_;
    cpu_set_t cpus_{};
    int policy_ = 0, priority_ = 0;
};

} // namespace retrograde
