#include "replay/tracee.h"

#include "base/failure.h"
#include "base/restart.h"
#include "replay/maps.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <elf.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#if defined(__aarch64__)
#include <asm/ptrace.h>
#endif

#ifndef PTRACE_SYSEMU
#define PTRACE_SYSEMU 31
#define PTRACE_SYSEMU_SINGLESTEP 32
#endif
#ifndef NT_ARM_TLS
#define NT_ARM_TLS 0x401
#endif
#ifndef NT_ARM_SVE
#define NT_ARM_SVE 0x405
#endif
#ifndef NT_ARM_PACA_KEYS
#define NT_ARM_PACA_KEYS 0x407
#define NT_ARM_PACG_KEYS 0x408
#endif
#ifndef NT_ARM_PAC_ENABLED_KEYS
#define NT_ARM_PAC_ENABLED_KEYS 0x40a
#endif

namespace retrograde {

namespace {

#if defined(__x86_64__)
constexpr int fp_regset = NT_X86_XSTATE;
constexpr std::size_t fp_room = 16384;
#else
constexpr int fp_regset = NT_PRFPREG;
constexpr std::size_t fp_room = 1024;
constexpr std::uint64_t software_step = 1u << 21; // PSTATE.SS
#endif

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

std::uint64_t process_cpu_ns(pid_t process) {
    clockid_t clock;
    timespec time{};
    if (::clock_getcpuclockid(process, &clock) != 0 || ::clock_gettime(clock, &time) != 0)
        return 0;
    return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(time.tv_nsec);
}

bool is_trap(int wait_status) {
    return WIFSTOPPED(wait_status) && WSTOPSIG(wait_status) == SIGTRAP && wait_status >> 16 == 0;
}

const Registers &Tracee::registers() {
    if (!valid_) {
#if defined(__x86_64__)
        const long failed = ::ptrace(PTRACE_GETREGS, tid_, nullptr, &registers_.raw); // quicker than the regset
#else
        iovec view{&registers_.raw, sizeof registers_.raw};
        const long failed = ::ptrace(PTRACE_GETREGSET, tid_, NT_PRSTATUS, &view);
#endif
        if (failed != 0)
            throw system_failure("cannot read the registers of a replayed thread");
#if defined(__aarch64__)
        registers_.raw.pstate &= ~software_step; // a thread that is stepped has it
#endif
        read_ = registers_;
        was_read_ = true;
        valid_ = true;
        dirty_ = false;
        drop_trap_flag();
    }
    return registers_;
}

std::vector<unsigned char> Tracee::stack() {
    std::vector<unsigned char> bytes(stack_red_zone + 4096);
    bytes.resize(read_memory(tid_, registers().sp() - stack_red_zone, bytes.data(), bytes.size()));
    return bytes;
}

bool Tracee::has_stack(const std::vector<unsigned char> &stack) {
    return stack.empty() || this->stack() == stack;
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

#if defined(__aarch64__)
void Tracee::set_machine_state(int regset, std::span<const unsigned char> bytes) {
    iovec view{const_cast<unsigned char *>(bytes.data()), bytes.size()};
    switch (regset) {
    case NT_ARM_PACA_KEYS:
    case NT_ARM_PACG_KEYS:
    case NT_ARM_PAC_ENABLED_KEYS:
        ::ptrace(PTRACE_SETREGSET, tid_, regset, &view);
        return;
    case NT_ARM_SVE: {
        std::array<unsigned char, 8192 + 1024> now{}; // asm/ptrace.h: user_sve_header
        constexpr std::size_t length_at = 8;
        iovec here{now.data(), now.size()};
        auto differs = [&] {
            return ::ptrace(PTRACE_GETREGSET, tid_, NT_ARM_SVE, &here) != 0 || bytes.size() < length_at + 2 ||
                   std::memcmp(now.data() + length_at, bytes.data() + length_at, 2) != 0;
        };
        if (differs() && (::ptrace(PTRACE_SETREGSET, tid_, NT_ARM_SVE, &view) != 0 || differs()))
            throw Failure("the recording was made with scalable vectors of another length than this machine has",
                          exit_cannot);
        return;
    }
    default:
        return;
    }
}
#endif

std::array<unsigned char, 128> Tracee::siginfo() const {
    std::array<unsigned char, 128> bytes{};
    static_assert(sizeof(siginfo_t) == 128);
    ::ptrace(PTRACE_GETSIGINFO, tid_, nullptr, bytes.data());
#if defined(__aarch64__)
    if (was_carried_out_) {
        siginfo_t step{};
        step.si_signo = SIGTRAP, step.si_code = TRAP_TRACE;
        std::memcpy(bytes.data(), &step, sizeof step);
    }
#endif
    return bytes;
}

#if defined(__aarch64__)
namespace {

std::vector<unsigned char> read_sve(pid_t tid) {
    user_sve_header header{};
    iovec head{&header, sizeof header};
    if (::ptrace(PTRACE_GETREGSET, tid, NT_ARM_SVE, &head) != 0 || header.vl == 0)
        return {};
    std::vector<unsigned char> bytes(SVE_PT_SIZE(__sve_vq_from_vl(header.vl), SVE_PT_REGS_SVE));
    iovec view{bytes.data(), bytes.size()};
    if (::ptrace(PTRACE_GETREGSET, tid, NT_ARM_SVE, &view) != 0 || view.iov_len <= sizeof(user_sve_header))
        return {};
    bytes.resize(view.iov_len);
    return bytes;
}

bool has_scalable(std::span<const unsigned char> sve) {
    user_sve_header header;
    std::memcpy(&header, sve.data(), sizeof header);
    return (header.flags & SVE_PT_REGS_MASK) == SVE_PT_REGS_SVE;
}

} // namespace
#endif

std::vector<unsigned char> Tracee::vectors() const {
#if defined(__aarch64__)
    std::vector<unsigned char> bytes = has_vectors_ ? read_sve(tid_) : std::vector<unsigned char>();
    if (!bytes.empty() && has_scalable(bytes))
        return bytes;
#endif
    return {};
}

// asm/ptrace.h tells where everything is.
std::vector<unsigned char> Tracee::all_vectors() const {
#if defined(__aarch64__)
    const std::vector<unsigned char> bytes = read_sve(tid_);
    if (bytes.empty() || has_scalable(bytes))
        return bytes.empty() ? fp_registers() : bytes;
    user_sve_header header;
    std::memcpy(&header, bytes.data(), sizeof header);
    const unsigned vq = __sve_vq_from_vl(header.vl);
    header.flags |= SVE_PT_REGS_SVE;
    header.size = SVE_PT_SIZE(vq, SVE_PT_REGS_SVE);
    std::vector<unsigned char> all(header.size);
    std::memcpy(all.data(), &header, sizeof header);
    user_fpsimd_state low;
    std::memcpy(&low, bytes.data() + SVE_PT_FPSIMD_OFFSET, sizeof low);
    for (unsigned i = 0; i < std::size(low.vregs); i++)
        std::memcpy(&all[SVE_PT_SVE_ZREG_OFFSET(vq, i)], &low.vregs[i], sizeof low.vregs[i]);
    std::memcpy(&all[SVE_PT_SVE_FPSR_OFFSET(vq)], &low.fpsr, sizeof low.fpsr);
    std::memcpy(&all[SVE_PT_SVE_FPCR_OFFSET(vq)], &low.fpcr, sizeof low.fpcr);
    return all;
#else
    return fp_registers();
#endif
}

std::vector<unsigned char> Tracee::used_vectors() const {
    std::vector<unsigned char> scalable = vectors();
    return scalable.empty() ? fp_registers() : scalable;
}

void Tracee::set_all_vectors(std::span<const unsigned char> bytes) {
#if defined(__aarch64__)
    if (bytes.size() != sizeof(user_fpsimd_state))
        return set_vectors(bytes);
#endif
    set_fp_registers(bytes);
}

void Tracee::set_vectors(std::span<const unsigned char> bytes) {
    if (bytes.empty())
        return;
    iovec view{const_cast<unsigned char *>(bytes.data()), bytes.size()};
    if (::ptrace(PTRACE_SETREGSET, tid_, NT_ARM_SVE, &view) != 0)
        throw system_failure("cannot set the scalable vectors of a replayed thread");
    has_vectors_ = true;
}

namespace {

#if defined(__x86_64__)
constexpr std::uint64_t trap_flag = 0x100;

enum class FlagsInstruction { none, pushf, popf };

FlagsInstruction flags_instruction(pid_t tid, std::uint64_t pc) {
    unsigned char bytes[2] = {};
    read_memory(tid, pc, bytes, sizeof bytes);
    const bool has_prefix = bytes[0] == 0x66 || (bytes[0] & 0xf0) == 0x40;
    const unsigned char opcode = has_prefix ? bytes[1] : bytes[0];
    return opcode == 0x9c ? FlagsInstruction::pushf : opcode == 0x9d ? FlagsInstruction::popf : FlagsInstruction::none;
}
#endif

} // namespace

// A thread that is stepped runs with the trap flag set, which two instructions show: pushf, and syscall in r11.
void Tracee::hide_trap_flag() {
#if defined(__x86_64__)
    if (at_call_) {
        Registers shown = registers();
        shown.raw.r11 &= ~trap_flag;
        set_registers(shown);
    } else if (pushes_flags_) {
        const std::uint64_t second_byte = registers().sp() + 1;
        unsigned char flags = 0;
        read_memory(tid_, second_byte, &flags, 1);
        flags &= ~(trap_flag >> 8);
        write_memory(tid_, second_byte, &flags, 1);
    }
#endif
}

// From a step over popf on, the kernel takes the flag for the program's own, shows it, and leaves it set when nobody
// steps any more (arch/x86/kernel/step.c: enable_single_step).
void Tracee::drop_trap_flag() {
#if defined(__x86_64__)
    const bool is_set = registers_.raw.eflags & trap_flag;
    if (!steps_) {
        traps_itself_ = is_set;
    } else if (is_set && !traps_itself_) {
        registers_.raw.eflags &= ~trap_flag;
        dirty_ = true;
    }
#endif
}

void Tracee::write_registers() {
#if defined(__x86_64__)
    // Behind most calls one register is another one. The number of the call need not be taken away where the result is
    // none with which it would begin again.
    Registers with_result = read_;
    with_result.set_result(registers_.result());
    const bool is_result = was_read_ && !is_restart(registers_.result()) &&
                           std::memcmp(&with_result.raw, &registers_.raw, sizeof registers_.raw) == 0;
    const long failed = is_result ? ::ptrace(PTRACE_POKEUSER, tid_, offsetof(user_regs_struct, rax), registers_.raw.rax)
                                  : ::ptrace(PTRACE_SETREGS, tid_, nullptr, &registers_.raw);
#else
    iovec view{&registers_.raw, sizeof registers_.raw};
    const long failed = ::ptrace(PTRACE_SETREGSET, tid_, NT_PRSTATUS, &view);
#endif
    if (failed != 0)
        throw system_failure("cannot set the registers of a replayed thread");
}

void Tracee::resume(Resume how, int signal) {
    if (steps_)
        registers(); // sees to the trap flag
    steps_ = how == Resume::step_calls;
#if defined(__x86_64__)
    if (steps_) {
        const FlagsInstruction next = flags_instruction(tid_, registers().pc());
        pushes_flags_ = next == FlagsInstruction::pushf;
        unsigned char second_byte = 0;
        if (next == FlagsInstruction::popf && read_memory(tid_, registers().sp() + 1, &second_byte, 1) == 1)
            traps_itself_ = second_byte & (trap_flag >> 8);
    }
#endif
    // Behind a call a step ends at once (arch/arm64/kernel/ptrace.c: report_syscall).
    if (how == Resume::step_calls)
        settle_after_call();
#if defined(__aarch64__)
    if (how == Resume::step_calls) {
        is_amid_exclusive();
        exclusive_.steps++;
        if (carry_out_exclusive())
            return;
    } else {
        forget_exclusive();
        exclusive_.resumed_at = registers().pc();
    }
#endif
    if (dirty_)
        write_registers();
    valid_ = dirty_ = was_read_ = false;
    const int request = how == Resume::free      ? PTRACE_CONT
                        : how == Resume::calls   ? PTRACE_SYSEMU
                        : how == Resume::to_call ? PTRACE_SYSCALL
                                                 : PTRACE_SYSEMU_SINGLESTEP;
    if (::ptrace(static_cast<__ptrace_request>(request), tid_, nullptr, static_cast<long>(signal)) != 0)
        throw system_failure("cannot let a replayed thread go on");
}

int Tracee::wait() {
#if defined(__aarch64__)
    was_carried_out_ = std::exchange(is_carried_out_, false);
    if (was_carried_out_) {
        at_call_ = false;
        has_run_ = true;
        return W_STOPCODE(SIGTRAP);
    }
#endif
    int status = 0;
    const pid_t stopped = ::waitpid(tid_, &status, __WALL);
    if (stopped != tid_) {
        if (errno == EINTR)
            return -1;
        throw system_failure("cannot wait for a replayed thread");
    }
    gone_ = !WIFSTOPPED(status);
    at_call_ = WIFSTOPPED(status) && WSTOPSIG(status) == (SIGTRAP | 0x80);
#if defined(__aarch64__)
    exclusive_.may_be_amid = !steps_ && !gone_ && !at_call_;
#endif
    if (steps_ && !gone_)
        hide_trap_flag();
    has_vectors_ = has_run_ = !at_call_;
    return status;
}

int Tracee::wait_through() {
    int status = wait();
    while (status == -1)
        status = wait();
    return status;
}

void Tracee::expect_trap(int status) {
    if (!is_trap(status) || registers().pc() != stub_trap + breakpoint_advance)
        throw Failure("a replayed thread did not carry out a system call: " + describe_status(status));
}

// The stub's code is none of the program's.
void Tracee::run_to_trap() {
    const ExclusiveState kept = exclusive_;
    for (;;) {
        resume(Resume::free);
        const int status = wait_through();
        // A stop that was asked for before (an interrupt) is not lost: who asked looks at a flag.
        if (WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP && status >> 16 == 0)
            continue;
        exclusive_ = kept;
        expect_trap(status);
        return;
    }
}

void Tracee::settle() {
    Registers kept = registers();
    Registers changed = kept;
    const bool has_vectors = has_vectors_, has_run = has_run_;
    changed.set_pc(stub_trap);
#if !defined(__x86_64__)
    changed.raw.regs[0] = 0; // no call that the kernel would begin again
#endif
    set_registers(changed);
    run_to_trap();
    has_vectors_ = has_vectors;
    has_run_ = has_run;
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

#if defined(__aarch64__)
bool Tracee::is_behind_call(const Registers &seen) {
    if (has_run_ || seen.raw.regs[7] != 1)
        return false;
    Registers here = registers();
    here.raw.regs[7] = 1;
    return same_place(here, seen);
}
#endif

std::int64_t Tracee::call(int nr, std::array<std::uint64_t, 6> args) {
    settle_after_call();
    const bool has_run = has_run_;
    const std::vector<unsigned char> kept_vectors = vectors();
    const Registers kept = registers();
    Registers changed = kept;
    changed.prepare_call(nr, args);
    changed.set_pc(stub_code);
    set_registers(changed);
    run_to_trap();
    const std::int64_t result = registers().result();
    set_registers(kept);
    has_run_ = has_run;
    has_vectors_ = false;
    set_vectors(kept_vectors);
    return result;
}

Tracee Tracee::clone(std::uint64_t flags, std::uint64_t stack, std::uint64_t tls) {
    settle_after_call();
    const bool has_run = has_run_;
    const std::vector<unsigned char> kept_vectors = vectors();
    const Registers kept = registers();
    Registers changed = kept;
#if defined(__x86_64__)
    changed.prepare_call(SYS_clone, {flags, stack, 0, 0, tls, 0});
#else
    changed.prepare_call(SYS_clone, {flags, stack, 0, tls, 0, 0});
#endif
    changed.set_pc(stub_code);
    set_registers(changed);
    const ExclusiveState kept_exclusive = exclusive_;
    resume(Resume::free);
    int status = wait_through();
    while (WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP && status >> 16 == 0) {
        resume(Resume::free);
        status = wait_through();
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
    has_run_ = has_run;
    exclusive_ = kept_exclusive;
    has_vectors_ = false;
    set_vectors(kept_vectors);

    const auto child_tid = static_cast<pid_t>(message);
    Tracee child(flags & CLONE_THREAD ? process_ : child_tid, child_tid);
    status = child.wait_through(); // its first stop: PTRACE_EVENT_STOP
    if (!WIFSTOPPED(status))
        throw Failure("a thread made for the replay ended at once: " + describe_status(status));
    child.run_to_trap();
    child.exclusive_ = kept_exclusive;
    child.has_vectors_ = false;
    child.set_vectors(kept_vectors);
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

// By way of /proc, which tells the processor (mm/memory.c: access_remote_vm, copy_to_user_page), but does not write to
// shared mappings that forbid it (mm/gup.c: check_vma_flags).
std::size_t write_code(Tracee &tracee, std::uint64_t address, const void *from, std::size_t length) {
    if (address < stub_end && address + length > stub_code)
        return 0;
    const Transfer no_other_way = [](pid_t, const iovec *, unsigned long, const iovec *, unsigned long, unsigned long) {
        return ssize_t(-1);
    };
    auto write = [&] {
        return transfer(no_other_way, ::pwrite, tracee.tid(), address, const_cast<void *>(from), length);
    };
    std::size_t written = write();
    if (written == length)
        return written;
    std::vector<Mapping> forbidding = current_maps(tracee.tid());
    std::erase_if(forbidding, [&](const Mapping &mapping) {
        return mapping.end <= address || mapping.start >= address + length || mapping.protection() & PROT_WRITE;
    });
    auto protect = [&](const Mapping &mapping, int added) {
        const auto protection = static_cast<std::uint64_t>(mapping.protection() | added);
        tracee.call(SYS_mprotect, {mapping.start, mapping.end - mapping.start, protection, 0, 0, 0});
    };
    for (const Mapping &mapping : forbidding)
        protect(mapping, PROT_WRITE);
    written = write();
    for (const Mapping &mapping : forbidding)
        protect(mapping, 0);
    return written;
}

std::size_t read_memory(pid_t tid, std::uint64_t address, void *into, std::size_t length) {
    return transfer(::process_vm_readv, ::pread, tid, address, into, length);
}

std::size_t write_memory(pid_t tid, std::uint64_t address, const void *from, std::size_t length) {
    const std::uint64_t end = length > ~address ? ~0ull : address + length;
    if (address < stub_data && end > stub_code)
        return 0;
    return transfer(::process_vm_writev, ::pwrite, tid, address, const_cast<void *>(from), length);
}

} // namespace retrograde
