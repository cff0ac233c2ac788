#include "capture/ptrace_backend.h"

#include <cstdio>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace retrograde {

namespace {

constexpr std::size_t max_arguments = 8 << 20; // exec takes 6 MiB at most

rg_segment text_segment(unsigned arg, const std::string &text) {
    rg_segment segment{};
    segment.arg = static_cast<__u8>(arg);
    segment.length = static_cast<__u32>(text.size());
    segment.full_length = text.size();
    return segment;
}

SegmentView text_view(unsigned arg, const std::string &text) {
    return {text_segment(arg, text), reinterpret_cast<const unsigned char *>(text.data())};
}

std::string comm_of(pid_t tid) {
    std::string comm = read_proc_file(tid, "comm", 64);
    if (!comm.empty() && comm.back() == '\n')
        comm.back() = '\0'; // as the eBPF back end has it
    return comm;
}

} // namespace

void PtraceBackend::on_new_child(pid_t tid, Thread &thread) {
    unsigned long message = 0;
    if (::ptrace(PTRACE_GETEVENTMSG, tid, nullptr, &message) != 0 || message == 0)
        return;
    const auto child = static_cast<pid_t>(message);
    if (threads_.count(child))
        return;
    add_child(child, tid, thread, read_process_facts(child));
    if (auto orphan = orphans_.find(child); orphan != orphans_.end()) {
        const int status = orphan->second.status;
        orphans_.erase(orphan);
        if (detaching_)
            let_go(child, threads_[child], status);
        else
            handle(child, status);
    }
}

void PtraceBackend::add_child(pid_t tid, pid_t parent_tid, const Thread &parent, const ProcessFacts &facts) {
    Thread child;
    child.pid = facts.found ? facts.pid : tid;
    child.fresh = true;
    child.awaits_execve = parent.awaits_execve;
    child.call = parent.call;
    child.in_call = parent.in_call;
    const pid_t parent_pid = parent.pid;
    if (child.pid != parent_pid) {
        Process process;
        process.handlers = processes_[parent_pid].handlers;
        processes_[child.pid] = process;
    }
    processes_[child.pid].live_threads++;

    rg_event event = event_of(tid, child, RG_FORK, -1);
    event.args[0] = static_cast<__u64>(parent_tid);
    event.args[1] = static_cast<__u64>(parent_pid);
    event.args[2] = facts.uid;
    event.args[3] = facts.gid;
    event.args[4] = cgroup_id(tid);
    child.call.pid = static_cast<__u32>(child.pid);
    child.call.tid = static_cast<__u32>(tid);
    child.call.enter = event.exit;
    const bool recorded = !child.awaits_execve;
    threads_[tid] = std::move(child);
    if (!recorded)
        return;
    if (replay_)
        replay_->look_at(event);
    const std::string comm = comm_of(tid);
    const SegmentView segments[] = {text_view(RG_SEG_COMM, comm)};
    writer_.add(event, segments);
}

// A child leaves the call that made it, with the result 0, but ptrace reports no such exit.
void PtraceBackend::on_first_stop(pid_t, Thread &thread) {
    if (!std::exchange(thread.fresh, false))
        return;
    if (std::exchange(thread.in_call, false)) {
        thread.call.exit = now_ns();
        thread.call.result = 0;
        copier_.add(thread.call, 0);
    }
}

std::string PtraceBackend::exec_filename(pid_t tid, const Thread &thread) const {
    const unsigned filename_arg = thread.call.nr == SYS_execve ? 0 : thread.call.nr == SYS_execveat ? 1 : 6;
    std::size_t offset = 0;
    for (const rg_segment &segment : thread.saved.segments) {
        if (segment.arg == filename_arg && segment.length > 1)
            return {reinterpret_cast<const char *>(thread.saved.bytes.data()) + offset, segment.length};
        offset += segment.length;
    }
    char link[4096];
    ssize_t length = ::readlink(("/proc/" + std::to_string(tid) + "/exe").c_str(), link, sizeof link);
    return length > 0 ? std::string(link, static_cast<std::size_t>(length)) + '\0' : std::string();
}

void PtraceBackend::on_exec(pid_t tid) {
    unsigned long former = 0;
    ::ptrace(PTRACE_GETEVENTMSG, tid, nullptr, &former);
    // A thread other than the main one takes over the main one's id.
    if (auto from = threads_.find(static_cast<pid_t>(former)); former && from != threads_.end() && from->first != tid) {
        Thread moved = std::move(from->second);
        threads_.erase(from);
        moved.call.tid = static_cast<__u32>(tid);
        threads_[tid] = std::move(moved);
        turns_.rename(static_cast<pid_t>(former), tid);
    }
    Thread &thread = threads_[tid];
    Process &process = processes_[thread.pid];
    process.live_threads = 1;
    for (std::uint64_t &handler : process.handlers)
        handler = handler == 1 ? 1 : 0; // handlers are gone, ignored signals stay ignored
    if (thread.awaits_execve)
        return;

    const ProcessFacts facts = read_process_facts(tid);
    rg_event event = event_of(tid, thread, RG_EXEC, -1);
    event.args[0] = former ? former : static_cast<__u64>(tid);
    event.args[2] = facts.uid;
    event.args[3] = facts.gid;
    event.args[4] = cgroup_id(tid);
    if (replay_)
        replay_->look_at(event);
    const std::string filename = exec_filename(tid, thread), comm = comm_of(tid);
    const std::string arguments = read_proc_file(tid, "cmdline", max_arguments);
    const std::string environment = read_proc_file(tid, "environ", max_arguments);
    const SegmentView segments[] = {text_view(RG_SEG_FILENAME, filename), text_view(RG_SEG_COMM, comm),
                                    text_view(RG_SEG_ARGV, arguments), text_view(RG_SEG_ENVP, environment)};
    writer_.add(event, segments);
    if (replay_)
        replay_->write_start(tid, now_ns());
    warn_of_lost_privileges(tid);
}

void PtraceBackend::warn_of_lost_privileges(pid_t pid) {
    if (warned_of_privileges_ || ::geteuid() == 0 || !program_gives_privileges(pid))
        return;
    warned_of_privileges_ = true;
    std::fprintf(stderr,
                 "retrograde-capture: process %d runs a program that is setuid or has file capabilities: under ptrace "
                 "by an ordinary user it runs without them (run as root to keep them)\n",
                 pid);
}

void PtraceBackend::on_thread_end(pid_t tid, Thread &thread, int status) {
    if (std::exchange(thread.ended, true))
        return;
    was_handler_stop(tid, thread, 0);
    Process &process = processes_[thread.pid];
    if (process.live_threads > 0)
        process.live_threads--;
    if (thread.awaits_execve)
        return;
    write_cut_off(thread);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) { // the one signal that ptrace does not report
        rg_event killed = event_of(tid, thread, RG_SIGNAL, SIGKILL);
        writer_.add(killed, {});
    }
    rg_event event = event_of(tid, thread, RG_EXIT, -1);
    event.result = status;
    event.args[0] = process.live_threads == 0;
    if (replay_)
        replay_->look_at(event);
    writer_.add(event, {});
}

} // namespace retrograde
