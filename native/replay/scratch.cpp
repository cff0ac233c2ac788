#include "replay/scratch.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>

namespace retrograde {

namespace {

Tracee copy_of(Session &session, std::uint32_t tid) {
    Task &task = session.task(tid);
    task.tracee.settle_after_call();
    Tracee copy = task.tracee.clone(CLONE_PARENT, 0, 0);
    copy.set_all_vectors(task.tracee.used_vectors());
    const std::uint64_t tls = task.tracee.tls();
    copy.set_registers(task.tracee.registers());
    copy.set_tls(tls);
    return copy;
}

} // namespace

Scratch::Scratch(Session &session, std::uint32_t tid) : tid_(tid), tracee_(copy_of(session, tid)) {}

Scratch::~Scratch() {
    ::kill(tracee_.process(), SIGKILL);
    ::waitpid(tracee_.process(), nullptr, __WALL);
}

void Scratch::add_breakpoint(std::uint64_t address) {
    if (breakpoints_.contains(address))
        return;
    std::vector<unsigned char> before(breakpoint_code.size());
    if (read_memory(tracee_.tid(), address, before.data(), before.size()) != before.size() ||
        write_memory(tracee_.tid(), address, breakpoint_code.data(), breakpoint_code.size()) != breakpoint_code.size())
        throw Failure("there is no memory for a breakpoint", exit_usage);
    breakpoints_[address] = before;
}

void Scratch::remove_breakpoint(std::uint64_t address) {
    if (auto found = breakpoints_.find(address); found != breakpoints_.end()) {
        write_memory(tracee_.tid(), address, found->second.data(), found->second.size());
        breakpoints_.erase(found);
    }
}

void Scratch::answer_call() {
    Registers registers = tracee_.registers();
    const auto args = registers.call_arguments();
    std::int64_t result = -ENOSYS;
    if (registers.call() == SYS_write && (args[0] == 1 || args[0] == 2)) {
        std::vector<char> bytes(std::min<std::size_t>(args[2], 1 << 20));
        bytes.resize(read_memory(tracee_.tid(), args[1], bytes.data(), bytes.size()));
        result = ::write(STDOUT_FILENO, bytes.data(), bytes.size());
    }
    registers.set_result(result);
    tracee_.set_registers(registers);
}

Stop Scratch::run(bool step) {
    for (;;) {
        // Over the breakpoint that it stands on.
        const auto at = breakpoints_.find(tracee_.registers().pc());
        const bool over = at != breakpoints_.end();
        if (over)
            write_memory(tracee_.tid(), at->first, at->second.data(), at->second.size());
        tracee_.resume(step || over ? Resume::step_calls : Resume::calls);
        const int status = tracee_.wait_through();
        if (over && !tracee_.is_gone())
            write_memory(tracee_.tid(), at->first, breakpoint_code.data(), breakpoint_code.size());
        if (!WIFSTOPPED(status))
            return {StopKind::exited, tid_, 0, 0, BreakpointKind::software, status};
        const int signal = WSTOPSIG(status);
        if (signal == (SIGTRAP | 0x80)) {
            const int nr = tracee_.registers().call();
            if (nr == SYS_exit || nr == SYS_exit_group)
                return {StopKind::exited,
                        tid_,
                        0,
                        0,
                        BreakpointKind::software,
                        static_cast<int>(tracee_.registers().call_arguments()[0] & 0xff) << 8};
            answer_call();
            if (step)
                return {StopKind::step, tid_};
            continue;
        }
        if (signal == SIGSTOP)
            return {StopKind::interrupted, tid_};
        if (signal != SIGTRAP)
            return {StopKind::signal, tid_, signal};
        Registers registers = tracee_.registers();
        if (breakpoints_.contains(registers.pc() - breakpoint_advance) && !(over && !step)) {
            registers.set_pc(registers.pc() - breakpoint_advance);
            tracee_.set_registers(registers);
            return {StopKind::breakpoint, tid_, 0, registers.pc()};
        }
        if (step)
            return {StopKind::step, tid_};
        if (!over)
            return {StopKind::signal, tid_, SIGTRAP};
    }
}

} // namespace retrograde
