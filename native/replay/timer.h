// Timers that end the waiting for a replayed thread.
#pragma once

#include "base/failure.h"

#include <csignal>
#include <cstdint>
#include <ctime>
#include <sched.h>
#include <unistd.h>

namespace retrograde {

// Sends a signal to the thread that made it: once, or again and again.
class Timer {
  public:
    Timer(int signal, void (*handler)(int), std::uint64_t first_ns, bool repeats) {
        struct sigaction action {};
        action.sa_handler = handler; // without SA_RESTART
        ::sigaction(signal, &action, nullptr);
        sigevent event{};
        event.sigev_notify = SIGEV_THREAD_ID;
        event.sigev_signo = signal;
        event._sigev_un._tid = ::gettid(); // sigev_notify_thread_id, which glibc 2.36 lacks
        if (::timer_create(CLOCK_MONOTONIC, &event, &timer_) != 0)
            throw system_failure("cannot make a timer");
        const timespec first{static_cast<time_t>(first_ns / 1'000'000'000),
                             static_cast<long>(first_ns % 1'000'000'000)};
        const itimerspec times{repeats ? first : timespec{}, first};
        ::timer_settime(timer_, 0, &times, nullptr);
    }
    Timer(const Timer &) = delete;
    ~Timer() { ::timer_delete(timer_); }

  private:
    timer_t timer_{};
};

// The thread that made it is woken at once by its timers, while the CPU is a replayed thread's: otherwise that may go
// on up to the scheduler's next tick. (It needs CAP_SYS_NICE or RLIMIT_RTPRIO.)
class WokenAtOnce {
  public:
    WokenAtOnce() {
        const sched_param lowest{1};
        is_changed_ = ::sched_getscheduler(0) == SCHED_OTHER &&
                      ::sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &lowest) == 0;
    }
    WokenAtOnce(const WokenAtOnce &) = delete;
    ~WokenAtOnce() {
        const sched_param none{0};
        if (is_changed_ && ::sched_setscheduler(0, SCHED_OTHER, &none) != 0)
            ::sched_setscheduler(0, SCHED_OTHER | SCHED_RESET_ON_FORK, &none); // only CAP_SYS_NICE may take that off
    }

  private:
    bool is_changed_;
};

} // namespace retrograde
