// The ring of each CPU, and the map that leads the eBPF programs to them. A thread of its own makes them: they take
// milliseconds to allocate, and each change of such a map then waits for a grace period of RCU, some 10 ms.
#pragma once

#include "base/unique_fd.h"

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

    struct Ring {
        int fd;
        std::size_t size;
    };
    // The rings; made, but perhaps not in the array yet. Throws Failure.
    const std::vector<Ring> &rings();

    // Waits until the programs can find all rings. Throws Failure.
    void wait_until_filled();

  private:
    void make(const std::vector<std::size_t> &sizes);
    void wait_for(int step);

    UniqueFd array_;
    std::vector<UniqueFd> fds_;
    std::vector<Ring> rings_;
    std::mutex mutex_;
    std::condition_variable went_on_;
    int step_ = 0;
    std::exception_ptr failure_;
    std::thread thread_;
};

} // namespace retrograde
