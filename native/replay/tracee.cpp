#include "replay/tracee.h"

#include "base/failure.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <elf.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#ifndef PTRACE_SYSEMU
#define PTRACE_SYSEMU 31
#define PTRACE_SYSEMU_SINGLESTEP 32
#endif
#ifndef NT_ARM_TLS
#define NT_ARM_TLS 0x401
#endif

namespace retrograde {

namespace {

#if defined(__x86_64__)
constexpr int fp_regset = NT_X86_XSTATE;
constexpr std::size_t fp_room = 16384;
#else
constexpr int fp_regset = NT_PRFPREG;
constexpr std::size_t fp_room = 1024;
#endif

bool is_trap(int status) {
    return WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP && status >> 16 == 0;
}

std::string describe_status(int status) {
    char text[64];
    if (WIFSTOPPED(status))
        std::snprintf(text, sizeof text, "it stopped with signal %d, event %d", WSTOPSIG(status), status >> 16);
    else if (WIFSIGNALED(status))
        std::snprintf(text, sizeof text, "it was killed by signal %d", WTERMSIG(status));
    else
        std::snprintf(text, sizeof text, "it exited with %d", WEXITSTATUS(status));
    return text;
}

} // namespace

const Registers &Tracee::registers() {
    if (!valid_) {
        iovec view{&registers_.raw, sizeof registers_.raw};
        if (::ptrace(PTRACE_GETREGSET, tid_, NT_PRSTATUS, &view) != 0)
            throw system_failure("cannot read the registers of a replayed thread");
        valid_ = true;
        dirty_ = false;
    }
    return registers_;
}

void Tracee::set_registers(const Registers &registers) {
    registers_ = registers;
    valid_ = dirty_ = true;
}

std::vector<unsigned char> Tracee::fp_registers() const {
    std::vector<unsigned char> bytes(fp_room);
    iovec view{bytes.data(), bytes.size()};
    if (::ptrace(PTRACE_GETREGSET, tid_, fp_regset, &view) != 0)
        throw system_failure("cannot read the floating-point registers of a replayed thread");
    bytes.resize(view.iov_len);
    return bytes;
}

void Tracee::set_fp_registers(std::span<const unsigned char> bytes) {
    // The kernel takes its own size alone; a recording of another kernel may have less or more of it.
    std::vector<unsigned char> whole = fp_registers();
    std::copy_n(bytes.begin(), std::min(bytes.size(), whole.size()), whole.begin());
    iovec view{whole.data(), whole.size()};
    if (::ptrace(PTRACE_SETREGSET, tid_, fp_regset, &view) != 0)
        throw system_failure("cannot set the floating-point registers of a replayed thread: was it recorded on a CPU "
                             "that has others?",
                             errno, exit_cannot);
}

std::uint64_t Tracee::tls() {
#if defined(__x86_64__)
    return registers().raw.fs_base;
#else
    std::uint64_t value = 0;
    iovec view{&value, sizeof value};
    if (::ptrace(PTRACE_GETREGSET, tid_, NT_ARM_TLS, &view) != 0)
        throw system_failure("cannot read the thread pointer of a replayed thread");
    return value;
#endif
}

void Tracee::set_tls(std::uint64_t value) {
#if defined(__x86_64__)
    Registers changed = registers();
    changed.raw.fs_base = value;
    set_registers(changed);
#else
    iovec view{&value, sizeof value};
    if (::ptrace(PTRACE_SETREGSET, tid_, NT_ARM_TLS, &view) != 0)
        throw system_failure("cannot set the thread pointer of a replayed thread");
#endif
}

std::array<unsigned char, 128> Tracee::siginfo() const {
    std::array<unsigned char, 128> bytes{};
    static_assert(sizeof(siginfo_t) == 128);
    ::ptrace(PTRACE_GETSIGINFO, tid_, nullptr, bytes.data());
    return bytes;
}

void Tracee::resume(Resume how, int signal) {
    if (dirty_) {
        iovec view{&registers_.raw, sizeof registers_.raw};
        if (::ptrace(PTRACE_SETREGSET, tid_, NT_PRSTATUS, &view) != 0)
            throw system_failure("cannot set the registers of a replayed thread");
    }
    valid_ = dirty_ = false;
    const int request = how == Resume::free      ? PTRACE_CONT
                        : how == Resume::calls   ? PTRACE_SYSEMU
                        : how == Resume::to_call ? PTRACE_SYSCALL
                                                 : PTRACE_SYSEMU_SINGLESTEP;
    if (::ptrace(static_cast<__ptrace_request>(request), tid_, nullptr, static_cast<long>(signal)) != 0)
        throw system_failure("cannot let a replayed thread go on");
}

int Tracee::wait() {
    int status = 0;
    const pid_t stopped = ::waitpid(tid_, &status, __WALL);
    if (stopped != tid_) {
        if (errno == EINTR)
            return -1;
        throw system_failure("cannot wait for a replayed thread");
    }
    gone_ = !WIFSTOPPED(status);
    at_call_ = WIFSTOPPED(status) && WSTOPSIG(status) == (SIGTRAP | 0x80);
    return status;
}

void Tracee::expect_trap(int status) {
    while (status == -1)
        status = wait();
    if (!is_trap(status) || registers().pc() != stub_trap + breakpoint_advance)
        throw Failure("a replayed thread did not carry out a system call: " + describe_status(status));
}

void Tracee::run_to_trap() {
    for (;;) {
        resume(Resume::free);
        int status = wait();
        while (status == -1)
            status = wait();
        // A stop that was asked for before (an interrupt) is not lost: who asked looks at a flag.
        if (WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP && status >> 16 == 0)
            continue;
        expect_trap(status);
        return;
    }
}

void Tracee::settle() {
    Registers kept = registers();
    Registers changed = kept;
    changed.set_pc(stub_trap);
    set_registers(changed);
    run_to_trap();
#if !defined(__x86_64__)
    kept.raw.regs[7] = registers().raw.regs[7]; // a stop at a call's entry shows something else (ptrace(2), BUGS)
#endif
    set_registers(kept);
}

void Tracee::settle_after_call() {
#if !defined(__x86_64__)
    if (at_call_)
        settle();
#endif
}

std::int64_t Tracee::call(int nr, std::array<std::uint64_t, 6> args) {
    settle_after_call();
    const Registers kept = registers();
    Registers changed = kept;
    changed.prepare_call(nr, args);
    changed.set_pc(stub_code);
    set_registers(changed);
    run_to_trap();
    const std::int64_t result = registers().result();
    set_registers(kept);
    return result;
}

Tracee Tracee::clone(std::uint64_t flags, std::uint64_t stack, std::uint64_t tls) {
    settle_after_call();
    const Registers kept = registers();
    Registers changed = kept;
#if defined(__x86_64__)
    changed.prepare_call(SYS_clone, {flags, stack, 0, 0, tls, 0});
#else
    changed.prepare_call(SYS_clone, {flags, stack, 0, tls, 0, 0});
#endif
    changed.set_pc(stub_code);
    set_registers(changed);
    resume(Resume::free);
    int status = wait();
    while (status == -1 || (WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP && status >> 16 == 0)) {
        if (status != -1)
            resume(Resume::free);
        status = wait();
    }
    const int event = status >> 16;
    if (!WIFSTOPPED(status) ||
        (event != PTRACE_EVENT_CLONE && event != PTRACE_EVENT_FORK && event != PTRACE_EVENT_VFORK)) {
        if (is_trap(status))
            throw Failure(std::string("cannot make a thread or process for the replay: ") +
                          std::strerror(static_cast<int>(-registers().result())));
        throw Failure("cannot make a thread or process for the replay: " + describe_status(status));
    }
    unsigned long message = 0;
    ::ptrace(PTRACE_GETEVENTMSG, tid_, nullptr, &message);
    run_to_trap();
    set_registers(kept);

    const auto child_tid = static_cast<pid_t>(message);
    Tracee child(flags & CLONE_THREAD ? process_ : child_tid, child_tid);
    status = child.wait(); // its first stop: PTRACE_EVENT_STOP
    while (status == -1)
        status = child.wait();
    if (!WIFSTOPPED(status))
        throw Failure("a thread made for the replay ended at once: " + describe_status(status));
    child.run_to_trap();
    return child;
}

namespace {

using Transfer = ssize_t (*)(pid_t, const iovec *, unsigned long, const iovec *, unsigned long, unsigned long);

// What the protection of the memory forbids goes through /proc, which is slower.
template <typename Slow>
std::size_t transfer(Transfer fast, Slow slow, pid_t tid, std::uint64_t address, void *local, std::size_t length) {
    std::size_t done = 0;
    while (done < length) {
        const iovec here{static_cast<char *>(local) + done, length - done};
        const iovec there{reinterpret_cast<void *>(address + done), length - done};
        const ssize_t moved = fast(tid, &here, 1, &there, 1, 0);
        if (moved <= 0)
            break;
        done += static_cast<std::size_t>(moved);
    }
    if (done == length)
        return done;
    const UniqueFd memory(::open(("/proc/" + std::to_string(tid) + "/mem").c_str(), O_RDWR | O_CLOEXEC));
    while (memory && done < length) {
        const ssize_t moved =
            slow(memory.get(), static_cast<char *>(local) + done, length - done, static_cast<off_t>(address + done));
        if (moved <= 0)
            break;
        done += static_cast<std::size_t>(moved);
    }
    return done;
}

} // namespace

std::size_t read_memory(pid_t tid, std::uint64_t address, void *into, std::size_t length) {
    return transfer(::process_vm_readv, ::pread, tid, address, into, length);
}

std::size_t write_memory(pid_t tid, std::uint64_t address, const void *from, std::size_t length) {
    return transfer(::process_vm_writev, ::pwrite, tid, address, const_cast<void *>(from), length);
}

} // namespace retrograde
