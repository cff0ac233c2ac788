// Sees to it that a capture that is killed leaves no thread stopped.
#pragma once

#include "base/unique_fd.h"

#include <sys/types.h>

namespace retrograde {

// A process of its own. When the tracer dies, the kernel lets its threads go on and delivers the signal that they were
// stopped with: for a held one SIGSTOP. The guardian notices the death by a pipe and sends SIGCONT to those.
class Guardian {
  public:
    // Forks; must be called before there are threads. `holds_map`: tid -> rg_hold.
    explicit Guardian(int holds_map);
    ~Guardian();

    // Lets it end; no thread may be held any more.
    void dismiss();

    // Lets it do its work though the capture ends well: some thread has not reached its stop.
    void leave_alone();
    Guardian(const Guardian &) = delete;

  private:
    UniqueFd pipe_;
    pid_t pid_ = -1;
    bool dismissed_ = false;
};

} // namespace retrograde
