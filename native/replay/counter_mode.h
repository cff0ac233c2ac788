// Threads that may not read the time stamp counter and threads that may differ in a control register, which is written
// at each switch between them: some 5 us in a virtual machine. While a replayed thread is waited for, the replayer may
// not either; nothing that it calls then reads a clock.
#pragma once

#include <sys/prctl.h>

namespace retrograde {

// As long as it lives, this thread may read the counter, or may not; then again as before, which was the other way.
class CounterMode {
  public:
    explicit CounterMode(bool may_read) : may_read_(may_read) { set(may_read_); }
    CounterMode(const CounterMode &) = delete;
    ~CounterMode() { set(!may_read_); }

  private:
    static void set([[maybe_unused]] bool may_read) {
#if defined(__x86_64__)
        ::prctl(PR_SET_TSC, may_read ? PR_TSC_ENABLE : PR_TSC_SIGSEGV, 0, 0, 0);
#endif
    }
    bool may_read_;
};

} // namespace retrograde
