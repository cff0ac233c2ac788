// The eBPF programs of a capture: chosen for this kernel, configured, loaded, attached.
#pragma once

#include "base/unique_fd.h"
#include "capture/calls_in_progress.h"
#include "capture/options.h"
#include "capture/ring_maps.h"
#include "config.h"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

struct bpf_object;

namespace retrograde {

class Programs {
  public:
    // Loads them. Throws Failure(exit_cannot) with all that is missing here.
    explicit Programs(const Options &options);
    ~Programs();
    Programs(const Programs &) = delete;

    void attach();
    void detach();

    // The rings of the CPUs, and behind them the one for what cannot be held.
    std::vector<Ring> take_rings() { return rings_->take(); }
    int holds_map() const { return holds_; }
    // ENTER events of the calls that captured threads are in; after detach().
    std::vector<rg_event> calls_in_progress() const { return retrograde::calls_in_progress(threads_, legacy_); }

    // Files of overlay file systems have been mapped: from now on all that are written are looked at.
    void look_at_overlay() { __atomic_store_n(overlay_is_mapped_, 1, __ATOMIC_RELEASE); }

    // No thread is held for a checksum before that time.
    void set_next_checksum(std::uint64_t time_ns) { __atomic_store_n(next_checksum_, time_ns, __ATOMIC_RELEASE); }

    // Captures a process with one thread, from its next execve on.
    void follow_from_execve(pid_t pid);

    // Threads that are captured and have not ended.
    std::int64_t live_threads() const { return __atomic_load_n(live_threads_, __ATOMIC_ACQUIRE); }
    // Events ever handed to the tracer by holding their thread.
    std::uint64_t held_events() const { return __atomic_load_n(held_events_, __ATOMIC_ACQUIRE); }

    // The captured thread that has the CPU of a serialised recording, if one has it.
    struct Running {
        pid_t tid;
        bool in_call;
        std::uint64_t since_ns;
    };
    Running running() const;

    // Lost events by number of the call (-1: of other kinds), since the last time this was called.
    std::map<int, std::uint64_t> take_losses();

  private:
    void load(const Options &options);
    bool load_fast(const Options &options, std::string &log);
    bool load_modern(const Options &options, const char *btf_file, std::string &log);
    void load_legacy(const Options &options, const std::string &log);
    void fill_variants();
    void select_threads(const Options &options);
    template <typename Skeleton> void configure(Skeleton *skeleton, const Options &options);
    template <typename Skeleton> void use(Skeleton *skeleton, const Options &options);
    template <typename Skeleton> void take_counters(Skeleton *skeleton);
    std::size_t ring_size(const Options &options, int cpu) const;

    UniqueFd types_file_; // while loading: the kernel's types as far as they are needed
    std::shared_ptr<void> handler_;
    std::shared_ptr<void> skeleton_;
    bpf_object *object_ = nullptr; // the skeleton's
    std::vector<std::shared_ptr<void>> links_;
    bool legacy_ = false;
    int cpus_ = 0, online_ = 0;
    std::optional<RingMaps> rings_;
    int holds_ = -1, threads_ = -1, losses_ = -1;
    std::int64_t *live_threads_ = nullptr;
    std::uint32_t *capturing_ = nullptr, *overlay_is_mapped_ = nullptr;
    std::uint64_t *next_checksum_ = nullptr;
    const rg_running *running_ = nullptr;
    const std::uint64_t *held_events_ = nullptr, *lost_events_ = nullptr;
    std::uint64_t losses_seen_ = 0;
    std::vector<std::uint64_t> losses_before_;
};

} // namespace retrograde
