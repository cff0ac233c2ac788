// The ring of each CPU, and the map that leads the eBPF programs to them. A thread of its own makes them: they take
// milliseconds to allocate, and each change of such a map then waits for a grace period of RCU, some 10 ms.
#pragma once

#include "base/unique_fd.h"
#include "capture/ring.h"

#include <condition_variable>
#include <cstddef>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace retrograde {

class RingMaps {
  public:
    // Begins to make rings of these sizes, bytes.
    explicit RingMaps(std::vector<std::size_t> sizes);
    ~RingMaps();
    RingMaps(const RingMaps &) = delete;

    // The array of rings; not filled yet. Throws Failure.
    int array();

    // The rings, ready to be read, but perhaps not in the array yet. To be called once. Throws Failure.
    std::vector<Ring> take();

    // Waits until the programs can find all rings. Throws Failure.
    void wait_until_filled();

  private:
    void make(const std::vector<std::size_t> &sizes);
    void wait_for(int step);

    const __u32 count_;
    UniqueFd array_;
    std::vector<Ring> rings_;
    std::mutex mutex_;
    std::condition_variable went_on_;
    int step_ = 0;
    std::exception_ptr failure_;
    std::thread thread_;
};

} // namespace retrograde
