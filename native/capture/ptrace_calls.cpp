#include "capture/ptrace_backend.h"

#include "base/restart.h"
#include "capture/syscall_table.h"

#include <algorithm>
#include <linux/audit.h>
#include <sys/syscall.h>
#include <sys/wait.h>

namespace retrograde {

namespace {

#if defined(__x86_64__)
constexpr std::uint32_t native_arch = AUDIT_ARCH_X86_64;
#else
constexpr std::uint32_t native_arch = AUDIT_ARCH_AARCH64;
#endif

// Whether a signal with the default action does nothing (signal(7)).
bool ignored_by_default(int signal) {
    return signal == SIGCHLD || signal == SIGURG || signal == SIGWINCH || signal == SIGCONT;
}

} // namespace

// ---- system calls ----

rg_event PtraceBackend::event_of(pid_t tid, const Thread &thread, rg_kind kind, int nr) const {
    rg_event event{};
    event.size = sizeof event;
    event.kind = static_cast<__u8>(kind);
    event.pid = static_cast<__u32>(thread.pid);
    event.tid = static_cast<__u32>(tid);
    event.nr = nr;
    event.enter = event.exit = now_ns();
    return event;
}

void PtraceBackend::on_syscall_stop(pid_t tid, Thread &thread) {
    __ptrace_syscall_info info{};
    if (::ptrace(static_cast<__ptrace_request>(PTRACE_GET_SYSCALL_INFO), tid, sizeof info, &info) <= 0) {
        if (errno == EIO || errno == EINVAL)
            throw Failure("this kernel cannot tell a tracer about system calls: PTRACE_GET_SYSCALL_INFO came with "
                          "Linux 5.3; use a newer kernel, or run as root so that eBPF can be used",
                          exit_cannot);
        return; // killed meanwhile
    }
    if (info.op == PTRACE_SYSCALL_INFO_ENTRY)
        on_enter(tid, thread, info);
    else if (info.op == PTRACE_SYSCALL_INFO_EXIT)
        on_exit_of_call(thread, info);
}

void PtraceBackend::on_enter(pid_t tid, Thread &thread, const __ptrace_syscall_info &info) {
    const int nr = static_cast<int>(info.entry.nr);
    thread.in_kernel = true;
    thread.call = event_of(tid, thread, RG_SYSCALL, nr);
    thread.call.flags = info.arch == native_arch ? 0 : RG_COMPAT;
    std::copy_n(info.entry.args, 6, thread.call.args);
    thread.in_call = false;
    if (thread.awaits_execve) {
        if (nr != SYS_execve)
            return;
        thread.awaits_execve = false;
    }
    const bool native = !(thread.call.flags & RG_COMPAT);
    // The memory of an exec is wanted for its EXEC record too.
    if (native)
        thread.saved = copier_.save_at_enter(thread.call);
    if (!wanted(nr, native))
        return;
    const rg_plan *plan = native ? plan_for(nr, thread.call.args) : nullptr;
    if (plan && (plan->flags & RG_PLAN_NORETURN)) {
        rg_event event = thread.call;
        event.kind = RG_ENTER;
        writer_.add(event, {});
        return;
    }
    if (native)
        thread.deref = copier_.deref_value(tid, nr, thread.call.args);
    thread.in_call = true;
    thread.call.enter = now_ns();
}

void PtraceBackend::on_exit_of_call(Thread &thread, const __ptrace_syscall_info &info) {
    const auto tid = static_cast<pid_t>(thread.call.tid);
    thread.in_kernel = false;
    thread.slice_over |= thread.call.nr == SYS_sched_yield;
    if (thread.call.nr == SYS_rt_sigaction && !(thread.call.flags & RG_COMPAT))
        note_handler(tid, thread, info.exit.rval);
    // It was our detaching that interrupted the call: the program is still in it.
    if (detaching_ && is_restart(info.exit.rval))
        write_cut_off(thread);
    if (thread.in_call) {
        thread.in_call = false;
        thread.call.exit = now_ns();
        thread.call.result = info.exit.rval;
        if (replay_) {
            replay_->look_at(thread.call);
            replay_->write_before(thread.call);
            replay_->belief().correct(thread.call);
        }
        if (thread.call.nr == SYS_restart_syscall && !(thread.call.flags & RG_COMPAT))
            copier_.add_continued(thread.call, thread.interrupted, thread.interrupted_deref);
        else
            copier_.add(thread.call, thread.deref, &thread.saved);
        if (info.exit.rval == -ERESTART_RESTARTBLOCK && thread.call.nr != SYS_restart_syscall) {
            thread.interrupted = thread.call;
            thread.interrupted_deref = thread.deref;
        }
        if (options_.checksum_interval_ns)
            add_checksums(thread.call);
    }
    thread.saved = {};
    thread.deref = 0;
}

// The thread has stopped behind this call, and it has the turn: no other runs.
void PtraceBackend::add_checksums(const rg_event &call) {
    const auto pid = static_cast<pid_t>(call.pid), tid = static_cast<pid_t>(call.tid);
    const rg_plan *plan = plan_for(call.nr, call.args);
    const bool failed = call.result < 0 && call.result >= -4095;
    if (failed || call.nr == SYS_rt_sigreturn || (plan && plan->flags & RG_PLAN_ENTER) ||
        call.exit < next_checksum_ns_ || signals_.earliest() != ~0ull)
        return;
    if (next_checksum_ns_ != 0)
        for (const WireRecord &row : checksum_memory(pid, tid, now_ns()))
            writer_.add(wire_event(row));
    next_checksum_ns_ = now_ns() + options_.checksum_interval_ns;
}

std::optional<WireRecord> PtraceBackend::carry_out(pid_t tid, int signal) {
    return replay_ ? replay_->carry_out_trapped(tid, signal) : std::nullopt;
}

// A call that will never end as far as the recording goes.
void PtraceBackend::write_cut_off(Thread &thread) {
    if (!std::exchange(thread.in_call, false))
        return;
    thread.call.kind = RG_ENTER;
    thread.call.exit = thread.call.enter;
    thread.call.result = 0;
    writer_.add(thread.call, {});
}

void PtraceBackend::note_handler(pid_t tid, const Thread &thread, std::int64_t result) {
    std::uint64_t handler = 0;
    const std::uint64_t signal = thread.call.args[0];
    if (result != 0 || thread.call.args[1] == 0 || signal > 64)
        return;
    if (ProcessMemory(tid).get(thread.call.args[1], handler))
        processes_[thread.pid].handlers[signal] = handler;
}

// ---- signals ----

std::uint64_t PtraceBackend::handler_of(const Thread &thread, int signal) {
    return processes_[thread.pid].handlers[signal <= 64 ? static_cast<std::size_t>(signal) : 0];
}

// Lets a thread go on that has stopped before the delivery of a signal.
void PtraceBackend::deliver(pid_t tid, Thread &thread, int signal) {
    if (!replay_ || thread.awaits_execve) {
        on_signal(tid, thread, signal);
        resume(tid, signal);
        return;
    }
    const std::uint64_t handler = handler_of(thread, signal);
    if (auto trap = carry_out(tid, signal)) {
        writer_.add(wire_event(*trap));
        resume_now(tid);
    } else if (handler == 1 || (handler == 0 && ignored_by_default(signal))) {
        resume_now(tid, signal);
    } else if (auto row = signals_.strike(tid, signal, threads_.size() == 1, false)) {
        writer_.add(wire_event(*row));
        resume_now(tid, signal);
    } else {
        thread.stepping = true;
        ::ptrace(PTRACE_SINGLESTEP, tid, nullptr, static_cast<long>(signal));
    }
}

// Finishes the row of a signal whose handler was to be run. Returns whether that was all there is to the stop.
bool PtraceBackend::was_handler_stop(pid_t tid, Thread &thread, int status) {
    if (!std::exchange(thread.stepping, false) || !signals_.awaits_handler(tid))
        return false;
    const HandlerStop stop = WIFSTOPPED(status) ? handler_stop(tid, status) : HandlerStop::other;
    const WireRecord row = stop == HandlerStop::at_handler ? signals_.at_handler(tid) : signals_.without_handler(tid);
    writer_.add(wire_event(row));
    return stop != HandlerStop::other;
}

void PtraceBackend::on_signal(pid_t tid, Thread &thread, int signal) {
    const std::uint64_t handler = handler_of(thread, signal);
    // The kernel drops ignored signals as they are sent, unless the thread is traced.
    if (thread.awaits_execve || handler == 1 || (handler == 0 && ignored_by_default(signal)))
        return;
    siginfo_t info{};
    if (::ptrace(PTRACE_GETSIGINFO, tid, nullptr, &info) != 0)
        return;
    rg_event event = event_of(tid, thread, RG_SIGNAL, signal);
    event.args[0] = static_cast<__u64>(static_cast<std::int64_t>(info.si_code));
    const bool fault =
        signal == SIGSEGV || signal == SIGBUS || signal == SIGILL || signal == SIGFPE || signal == SIGTRAP;
    if (fault && info.si_code > 0 && info.si_code != SI_KERNEL) {
        event.args[3] = reinterpret_cast<__u64>(info.si_addr);
    } else if (info.si_code <= 0 || signal == SIGCHLD) {
        event.args[1] = static_cast<__u64>(info.si_pid);
        event.args[2] = info.si_uid;
    }
    event.args[4] = handler;
    writer_.add(event, {});
}

} // namespace retrograde
