// The ptrace back end, for the files that it consists of: ptrace_backend.cpp (attaching, stops, the end),
// ptrace_calls.cpp (system calls and signals), ptrace_processes.cpp and ptrace_turns.cpp.
#pragma once

#include "base/failure.h"
#include "capture/backend.h"
#include "capture/memory_checksums.h"
#include "capture/memory_copier.h"
#include "capture/process_facts.h"
#include "capture/replay_state.h"
#include "capture/signal_recorder.h"
#include "capture/turns.h"

#include <array>
#include <csignal>
#include <ctime>
#include <map>
#include <optional>
#include <sys/ptrace.h>
#include <unordered_map>
#include <utility>
#include <vector>

namespace retrograde {

inline constexpr std::uint64_t ptrace_tick_ns = 20'000'000; // how long a wait for stops lasts at most

// Whether it is one of those that stop a whole process.
inline bool is_group_stop(int signal) {
    return signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU;
}

// Ends a waitpid() that has nothing to wait for: a signal every tick. (A wait with a time limit of its own does not
// exist, and waiting for SIGCHLD first would double the cost of a stop.)
class PtraceTicker {
  public:
    void start(std::uint64_t tick_ns);
    void stop();
    ~PtraceTicker() { stop(); }

  private:
    timer_t timer_{};
    struct sigaction old_action_ {};
    bool started_ = false;
};

class PtraceBackend : public Backend {
  public:
    PtraceBackend(const Options &options, EventWriter &writer, const std::string &folder)
        : options_(options), writer_(writer), copier_(options, writer) {
        if (is_replayable(options))
            replay_.emplace(writer, folder);
    }

    void attach(Target *target) override;
    bool poll(std::uint64_t timeout_ns) override;
    void detach() override;
    std::vector<Unfaithful> unfaithful() const override {
        return replay_ ? replay_->unfaithful().all() : std::vector<Unfaithful>();
    }
    std::vector<std::string> written_files() const override {
        return replay_ ? replay_->written() : std::vector<std::string>();
    }

  private:
    struct Process {
        std::array<std::uint64_t, 65>
            handlers{}; // by signal: SIG_DFL, SIG_IGN or an address; ~0 where only known as caught
        unsigned live_threads = 0;
    };

    struct Thread {
        pid_t pid = 0;
        rg_event call{};        // the call it is in, or was in last
        rg_event interrupted{}; // the call that restart_syscall continues
        std::uint64_t deref = 0, interrupted_deref = 0;
        SavedMemory saved;
        bool in_call = false;       // `call` has begun, is wanted and has not been written
        bool awaits_execve = false; // a started command before its first execve: not recorded yet
        bool in_kernel = false;     // between the two stops of a call
        bool slice_over = false;    // it has had its turn, where others wait for theirs
        int stop = 0;               // its wait status, to be handled when its turn comes
        bool stepping = false;      // on the way to a signal handler's first instruction
        bool fresh = false;         // a child that has not left the call that made it
        bool ended = false;         // its EXIT has been written
    };

    void attach_process(pid_t pid);
    void seize(pid_t tid, pid_t pid);

    void handle(pid_t tid, int status);
    void handle_end(pid_t tid, int status);
    void adopt_orphans(std::uint64_t now);

    void on_syscall_stop(pid_t tid, Thread &thread);
    void on_enter(pid_t tid, Thread &thread, const __ptrace_syscall_info &info);
    void on_exit_of_call(Thread &thread, const __ptrace_syscall_info &info);
    void add_checksums(const rg_event &call);
    std::optional<WireRecord> carry_out(pid_t tid, int signal);
    void on_new_child(pid_t tid, Thread &thread);
    void add_child(pid_t tid, pid_t parent_tid, const Thread &parent, const ProcessFacts &facts);
    void on_first_stop(pid_t tid, Thread &thread);
    void on_exec(pid_t tid);
    void on_thread_end(pid_t tid, Thread &thread, int status);
    void on_signal(pid_t tid, Thread &thread, int signal);
    void deliver(pid_t tid, Thread &thread, int signal);
    bool was_handler_stop(pid_t tid, Thread &thread, int status);
    std::uint64_t handler_of(const Thread &thread, int signal);
    void note_handler(pid_t tid, const Thread &thread, std::int64_t result);
    void write_cut_off(Thread &thread);
    void let_go(pid_t tid, Thread &thread, int status);
    void resume(pid_t tid, int signal = 0);
    void resume_now(pid_t tid, int signal = 0) { ::ptrace(PTRACE_SYSCALL, tid, nullptr, static_cast<long>(signal)); }

    // Serialised: one thread runs in user mode at a time.
    pid_t wait_for_stop(int &status);
    bool wants_turn(pid_t tid);
    void begin_turn();
    void lose_turn(pid_t tid, const Thread &thread, bool waits);
    bool waits_for_turn(pid_t tid, int status);
    void wait_until_dead(pid_t tid) const;

    rg_event event_of(pid_t tid, const Thread &thread, rg_kind kind, int nr) const;
    // The numbers of 32-bit calls are others: those are all wanted, so that none is missed.
    bool wanted(int nr, bool native) const {
        return !options_.syscalls || !native ||
               (nr >= 0 && nr < RG_MAX_SYSCALLS && options_.syscalls->test(static_cast<std::size_t>(nr)));
    }
    std::string exec_filename(pid_t tid, const Thread &thread) const;
    void warn_of_lost_privileges(pid_t pid);

    const Options &options_;
    EventWriter &writer_;
    MemoryCopier copier_;
    std::optional<ReplayState> replay_; // of a command that is recorded from its start
    SignalRecorder signals_;
    std::uint64_t next_checksum_ns_ = 0;
    Turns turns_;
    Target *target_ = nullptr;
    PtraceTicker ticker_;
    std::unordered_map<pid_t, Thread> threads_;
    std::unordered_map<pid_t, Process> processes_;
    struct Orphan {
        int status;
        std::uint64_t since;
    };
    std::map<pid_t, Orphan> orphans_; // children that stopped before their parent told of them
    bool warned_of_privileges_ = false, detaching_ = false;
};

} // namespace retrograde
