// What a replay may not be able to repeat, as it was met in a recording.
#pragma once

#include "wire.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace retrograde {

struct Unfaithful {
    std::string what;
    std::uint64_t seq; // near which event
};

class UnfaithfulList {
  public:
    // Each kind of thing is named once, where it was first met.
    void add(const std::string &what, std::uint64_t seq);

    // Adds what the call of an event is, if it is of that kind.
    void look_at(const rg_event &event, std::uint64_t seq);

    const std::vector<Unfaithful> &all() const { return list_; }

  private:
    std::vector<Unfaithful> list_;
};

} // namespace retrograde
