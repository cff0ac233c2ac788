// A way to see system calls: eBPF or ptrace. Both hand the same events to the same writer.
#pragma once

#include "base/clock.h"
#include "capture/event_writer.h"
#include "capture/options.h"
#include "capture/target.h"
#include "capture/unfaithful.h"

#include <atomic>
#include <memory>
#include <string>
#include <vector>

namespace retrograde {

enum class EndReason { target_exited, interrupted, duration, max_size };
const char *name(EndReason reason);

class Backend {
  public:
    virtual ~Backend() = default;

    // Attaches to everything asked for. `target` is null unless a command is started; it has not been released yet.
    virtual void attach(Target *target) = 0;

    // Handles what has happened, waiting at most `timeout_ns` for something to do. Returns false once nothing is left
    // to capture (every followed process has ended).
    virtual bool poll(std::uint64_t timeout_ns) = 0;

    // What was met that a replay may not be able to repeat.
    virtual std::vector<Unfaithful> unfaithful() const { return {}; }

    // The files whose content in a replay comes from more than their images: device and inode as in MAPS.
    virtual std::vector<std::string> written_files() const { return {}; }

    // Detaches so that the processes go on unharmed, and hands over what is still buffered.
    virtual void detach() = 0;
};

// Throws Failure(exit_cannot) with everything that is missing where this machine or user can't.
//   folder: the recording's; empty where the stream goes to a pipe.
std::unique_ptr<Backend> make_ebpf_backend(const Options &options, EventWriter &writer, const std::string &folder);
std::unique_ptr<Backend> make_ptrace_backend(const Options &options, EventWriter &writer, const std::string &folder);

} // namespace retrograde
