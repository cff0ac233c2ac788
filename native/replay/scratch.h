// A throw-away copy of a replayed process with one of its threads, which may do what was not recorded: for calling
// functions of the program from a debugger.
#pragma once

#include "replay/session.h"

namespace retrograde {

class Scratch {
  public:
    // Copies the process of the thread as it is at this moment of the replay.
    Scratch(Session &session, std::uint32_t tid);
    ~Scratch();
    Scratch(const Scratch &) = delete;

    Tracee &tracee() { return tracee_; }
    void add_breakpoint(std::uint64_t address);
    void remove_breakpoint(std::uint64_t address);
    // Runs until a breakpoint, a signal or the end. Writes to the standard output and error are shown; all other system
    // calls fail with ENOSYS, so that nothing reaches the outside.
    Stop run(bool step);

  private:
    void answer_call();

    std::uint32_t tid_;
    Tracee tracee_;
    std::map<std::uint64_t, std::vector<unsigned char>> breakpoints_; // what was there before
};

} // namespace retrograde
