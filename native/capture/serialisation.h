// All threads of a recorded command share one CPU, on which they switch only where one waits, and are refused what a
// recording cannot tell. The command sets itself up so before its exec; its descendants inherit it.
#pragma once

#include <sched.h>
#include <string>
#include <sys/types.h>
#include <vector>

namespace retrograde {

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

    // Undoes it for a thread that goes on without us, but for what is refused.
    void undo(pid_t tid) const;

    int cpu() const { return cpu_; }
    // Those that the command would have without us.
    const cpu_set_t &allowed() const { return allowed_; }

    // The calls that fail with ENOSYS.
    static std::vector<std::string> vetoed();

  private:
    int cpu_ = 0;
    cpu_set_t allowed_{};
};

} // namespace retrograde
