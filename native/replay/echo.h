// What a recorded program wrote to its terminal or standard output, shown again.
#pragma once

#include "recording/event_block.h"
#include "replay/tracee.h"

#include <cstdint>
#include <map>

namespace retrograde {

// The descriptors of a process that are its first standard output or error, or copies of them.
struct Descriptors {
    std::map<int, int> output{{1, 1}, {2, 2}}; // which of the two each is
    void follow(const Event &call);            // a call that has succeeded
};

class Echo {
  public:
    explicit Echo(bool on) : on_(on) {}
    // Shows what a call has written, once: not again after the replay went back.
    void show(const Event &call, const Tracee &tracee, const Descriptors &descriptors);

  private:
    bool on_;
    std::uint64_t shown_until_ = 0;
};

} // namespace retrograde
