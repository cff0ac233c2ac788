// Whose turn it is: where a tracer serialises the threads of a recording, one runs in user mode at a time.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <sys/types.h>

namespace retrograde {

class Turns {
  public:
    // The thread whose turn it is, or 0, and since when.
    pid_t current() const { return current_; }
    std::uint64_t since() const { return since_; }
    bool others_wait() const { return !waiting_.empty(); }
    const std::deque<pid_t> &waiting() const { return waiting_; }

    // Another wants a turn: it gets one behind those that wait already.
    void wait(pid_t tid) {
        if (std::find(waiting_.begin(), waiting_.end(), tid) == waiting_.end())
            waiting_.push_back(tid);
    }
    void begin(pid_t tid, std::uint64_t now) {
        forget(tid);
        current_ = tid;
        since_ = now;
    }
    // The next of those that wait, or 0.
    pid_t next() const { return waiting_.empty() ? 0 : waiting_.front(); }
    void end() { current_ = 0; }

    // It has ended, or is to wait for something else.
    void forget(pid_t tid) {
        std::erase(waiting_, tid);
        if (current_ == tid)
            current_ = 0;
    }
    // It has got another id.
    void rename(pid_t from, pid_t to) {
        forget(to);
        std::replace(waiting_.begin(), waiting_.end(), from, to);
        if (current_ == from)
            current_ = to;
    }

  private:
    std::deque<pid_t> waiting_;
    pid_t current_ = 0;
    std::uint64_t since_ = 0;
};

} // namespace retrograde
