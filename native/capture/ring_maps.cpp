#include "capture/ring_maps.h"

#include "base/failure.h"

#include <bpf/bpf.h>
#include <csignal>
#include <string>
#include <unistd.h>
#include <utility>

namespace retrograde {

namespace {

enum Step { array_made = 1, rings_made = 2, array_filled = 3 };

} // namespace

RingMaps::RingMaps(std::vector<std::size_t> sizes) : count_(static_cast<__u32>(sizes.size())) {
    // Signals are the main thread's.
    sigset_t all, before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, &before);
    thread_ = std::thread([this, sizes = std::move(sizes)] {
        try {
            make(sizes);
        } catch (...) {
            std::lock_guard lock(mutex_);
            failure_ = std::current_exception();
            went_on_.notify_all();
        }
    });
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

RingMaps::~RingMaps() {
    thread_.join();
}

void RingMaps::make(const std::vector<std::size_t> &sizes) {
    auto went_on = [this](int step) {
        std::lock_guard lock(mutex_);
        step_ = step;
        went_on_.notify_all();
    };
    auto make_ring = [](std::size_t size) {
        UniqueFd fd(bpf_map_create(BPF_MAP_TYPE_RINGBUF, "rg_ring", 0, 0, static_cast<__u32>(size), nullptr));
        if (!fd)
            throw system_failure("cannot make a ring of " + std::to_string(size) +
                                     " bytes for each CPU (a smaller --buffer-size may help)",
                                 errno, exit_cannot);
        return fd;
    };
    const UniqueFd pattern = make_ring(static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)));
    bpf_map_create_opts options{};
    options.sz = sizeof options;
    options.inner_map_fd = static_cast<__u32>(pattern.get());
    array_.reset(bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, "rings", sizeof(__u32), sizeof(__u32),
                                static_cast<__u32>(sizes.size()), &options));
    if (!array_)
        throw system_failure("cannot make the map of the rings", errno, exit_cannot);
    went_on(array_made);

    std::vector<__u32> indexes;
    std::vector<int> fds;
    for (std::size_t size : sizes) {
        rings_.emplace_back(make_ring(size).get(), size);
        fds.push_back(rings_.back().map_fd());
        indexes.push_back(static_cast<__u32>(indexes.size()));
    }
    went_on(rings_made);

    // At once where the kernel can (5.14): it waits for a grace period after each change.
    auto count = static_cast<__u32>(fds.size());
    if (bpf_map_update_batch(array_.get(), indexes.data(), fds.data(), &count, nullptr) != 0)
        for (std::size_t i = 0; i < fds.size(); i++)
            if (bpf_map_update_elem(array_.get(), &indexes[i], &fds[i], BPF_ANY) != 0)
                throw system_failure("cannot give CPU " + std::to_string(i) + " its ring");
    went_on(array_filled);
}

void RingMaps::wait_for(int step) {
    std::unique_lock lock(mutex_);
    went_on_.wait(lock, [&] { return failure_ || step_ >= step; });
    if (failure_)
        std::rethrow_exception(failure_);
}

int RingMaps::array() {
    wait_for(array_made);
    return array_.get();
}

std::vector<Ring> RingMaps::take() {
    wait_for(rings_made);
    return std::move(rings_);
}

void RingMaps::wait_until_filled() {
    wait_for(rings_made);
    // The last ring is there before the grace period is over.
    const __u32 last = count_ - 1;
    for (__u32 id = 0; bpf_map_lookup_elem(array_.get(), &last, &id) != 0;) {
        if (errno != ENOENT) {
            wait_for(array_filled);
            return;
        }
        {
            std::lock_guard lock(mutex_);
            if (failure_)
                std::rethrow_exception(failure_);
        }
        ::usleep(50);
    }
}

} // namespace retrograde
