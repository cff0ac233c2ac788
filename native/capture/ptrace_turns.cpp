#include "capture/ptrace_backend.h"

#include "capture/registers.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sys/wait.h>

namespace retrograde {

namespace {

constexpr std::uint64_t time_slice_ns = 20'000'000; // that a thread runs for where others wait for their turn
constexpr timespec patience{0, 100'000};            // with a call, before another thread may run

// As far as the eBPF back end has them (see the format, REGISTERS).
std::vector<unsigned char> switch_registers(pid_t tid) {
    std::vector<unsigned char> registers = read_register_set(tid, NT_PRSTATUS);
#if defined(__x86_64__)
    registers.resize(std::min(registers.size(), 21 * sizeof(std::uint64_t)));
#endif
    return registers;
}

} // namespace

// Whether a stop is to be handled when the thread's turn comes: rows are written in the order in which threads run.
bool PtraceBackend::waits_for_turn(pid_t tid, int status) {
    const int event = status >> 16;
    const bool group_stop = event == PTRACE_EVENT_STOP && is_group_stop(WSTOPSIG(status));
    // What others may be waiting for: a child that is told of, an end.
    if (!replay_ || detaching_ || turns_.current() == tid || group_stop || (event != 0 && event != PTRACE_EVENT_STOP))
        return false;
    if (turns_.current() == 0 && !turns_.others_wait()) {
        turns_.begin(tid, now_ns());
        return false;
    }
    turns_.wait(tid);
    return true;
}

// A thread that ends clears a word of its memory, which others may look at: they go on when it has.
void PtraceBackend::wait_until_dead(pid_t tid) const {
    const std::uint64_t deadline = now_ns() + ptrace_tick_ns;
    while (now_ns() < deadline && !std::strchr("ZX", thread_state(tid)))
        ::nanosleep(&patience, nullptr);
}

// Whether the thread may go on now; else it waits for its turn.
bool PtraceBackend::wants_turn(pid_t tid) {
    if (!replay_ || detaching_)
        return true;
    Thread &thread = threads_[tid];
    if (turns_.current() == tid) {
        const bool has_run_long = thread.slice_over || now_ns() - turns_.since() >= time_slice_ns;
        const bool yields = has_run_long && !thread.in_kernel && turns_.others_wait();
        thread.slice_over = false;
        if (!yields)
            return true;
        lose_turn(tid, thread, false);
    } else if (turns_.current() == 0 && !turns_.others_wait()) {
        turns_.begin(tid, now_ns());
        return true;
    }
    turns_.wait(tid);
    return false;
}

void PtraceBackend::begin_turn() {
    const pid_t tid = turns_.next();
    turns_.begin(tid, now_ns());
    Thread &thread = threads_[tid];
    if (const int stop = std::exchange(thread.stop, 0))
        handle(tid, stop);
    else
        resume_now(tid);
}

// The row tells how far the thread has come before another runs.
void PtraceBackend::lose_turn(pid_t tid, const Thread &thread, bool waits) {
    turns_.end();
    if (threads_.size() < 2)
        return;
    rg_event event = event_of(tid, thread, RG_SWITCH, -1);
    event.args[0] = static_cast<__u64>(turns_.next());
    event.args[1] = waits;
    event.args[2] = thread.in_kernel;
    WireRecordBuilder row(event);
    if (!thread.in_kernel) {
        const std::vector<unsigned char> registers = switch_registers(tid);
        const std::vector<unsigned char> whole = read_register_set(tid, NT_PRSTATUS);
        const Memory stack = stack_around(tid, whole, 512);
        row.add(RG_SEG_REGISTERS, 0, 0, registers);
        row.add(RG_SEG_MEMORY, RG_SEG_IN, stack.address, stack.bytes);
        for (const Memory &memory : memory_in_reach(tid, whole))
            row.add(RG_SEG_MEMORY, RG_SEG_IN, memory.address, memory.bytes);
    }
    writer_.add(wire_event(row.take()));
}

// Waits for a stop. Returns 0 where there is something else to see to.
pid_t PtraceBackend::wait_for_stop(int &status) {
    if (!turns_.others_wait())
        return ::waitpid(-1, &status, __WALL);
    const pid_t current = turns_.current();
    auto found = threads_.find(current);
    if (current == 0 || found == threads_.end()) {
        turns_.end();
        begin_turn();
        return 0;
    }
    Thread &thread = found->second;
    if (!thread.in_kernel) {
        const pid_t tid = ::waitpid(-1, &status, __WALL);
        if (tid < 0 && errno == EINTR && !thread.slice_over && now_ns() - turns_.since() >= time_slice_ns) {
            thread.slice_over = true;
            ::ptrace(PTRACE_INTERRUPT, current, nullptr, nullptr);
        }
        return tid;
    }
    // A call that does not come back at once may wait for what another thread does.
    sigset_t child;
    ::sigemptyset(&child);
    ::sigaddset(&child, SIGCHLD);
    pid_t tid;
    while ((tid = ::waitpid(-1, &status, __WALL | WNOHANG)) == 0) {
        if (::sigtimedwait(&child, nullptr, &patience) < 0 && errno == EAGAIN &&
            std::strchr("SDI", thread_state(current))) {
            lose_turn(current, thread, true);
            begin_turn();
            return 0;
        }
    }
    return tid;
}

} // namespace retrograde
