// The command that a capture starts: held before its execve until the capture is ready, run as the asked user.
#pragma once

#include "base/unique_fd.h"
#include "capture/serialisation.h"

#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace retrograde {

class Target {
  public:
    // Forks; the child changes user, then waits. Throws Failure where the command does not exist or can't be executed.
    // stdout_is_taken: the block stream goes there, and what the command prints goes to stderr.
    // for_replay: its threads share a CPU, and what they ask the processor traps.
    Target(const std::vector<std::string> &command, const std::string &user, bool stdout_is_taken, bool for_replay);
    ~Target(); // a child that was never released is killed

    pid_t pid() const { return pid_; }

    // How its threads share a CPU, where it is recorded for a replay.
    const std::optional<Serialisation> &serialisation() const { return serialisation_; }
    bool has_real_time() const { return has_real_time_; }

    // Lets the child execve. Its next system call after this, and the first of its own, is that execve.
    void release();

    // Takes the wait status that somebody's waitpid(-1) got for the child.
    void ended(int wait_status) { wait_status_ = wait_status; }

    // The wait status, once it has ended (reaps it where nobody has).
    std::optional<int> poll_ended();

    // Why the execve in the child failed, or nothing where it did not. Valid once the child has ended.
    std::string exec_failure() const;

  private:
    std::string program_; // its path
    pid_t pid_ = -1;
    UniqueFd release_pipe_, error_pipe_;
    std::optional<int> wait_status_;
    std::optional<Serialisation> serialisation_;
    bool has_real_time_ = false;
    bool released_ = false;
};

} // namespace retrograde
