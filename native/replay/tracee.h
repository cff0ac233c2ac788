// One real thread of a replay, stopped under ptrace whenever nobody waits for it.
#pragma once

#include "base/unique_fd.h"
#include "replay/exclusive.h"
#include "replay/registers.h"

#include <array>
#include <cstdint>
#include <span>
#include <sys/types.h>
#include <vector>

namespace retrograde {

// Where the stub (stub.h) has its two pages in every process of a replay: code that makes a system call and traps, and
// room for what that call points to. Below what programs use, above what the kernel forbids (vm.mmap_min_addr).
inline constexpr std::uint64_t stub_code = 0x10000, stub_data = 0x11000, stub_end = 0x12000;
inline constexpr std::size_t stub_data_size = 0x1000;
inline constexpr std::uint64_t stub_trap = stub_code + call_length;

enum class Resume {
    free,
    calls,      // stop before each system call, which is not carried out
    step_calls, // the same, after one instruction
    to_call,    // stop before and behind each system call, which is carried out
};

// CPU time of a process, ns; 0 where it is gone.
std::uint64_t process_cpu_ns(pid_t process);

// A stop by SIGTRAP that is no event of ptrace's: a breakpoint or a step.
bool is_trap(int wait_status);

class Tracee {
  public:
    Tracee(pid_t process, pid_t tid) : process_(process), tid_(tid) {}

    pid_t tid() const { return tid_; }
    pid_t process() const { return process_; }

    // The registers are read when they are first asked for, and written back before the thread goes on.
    const Registers &registers();
    void set_registers(const Registers &registers);
    std::vector<unsigned char> fp_registers() const; // NT_X86_XSTATE or NT_PRFPREG
    void set_fp_registers(std::span<const unsigned char> bytes);
    // The same, but on arm64 with scalable vectors NT_ARM_SVE with all of them, whether the thread uses them or not.
    std::vector<unsigned char> all_vectors() const;
    // NT_ARM_SVE where the thread uses such vectors now, else as fp_registers().
    std::vector<unsigned char> used_vectors() const;
    void set_all_vectors(std::span<const unsigned char> bytes);
    std::uint64_t tls();
    void set_tls(std::uint64_t value);
#if defined(__aarch64__)
    // Keys of signed pointers, as far as the machine has them; the length of scalable vectors. Throws Failure.
    void set_machine_state(int regset, std::span<const unsigned char> bytes);
#endif
    std::array<unsigned char, 128> siginfo() const;

    // A store-exclusive of arm64 that is stepped is carried out here; the stop that follows is like that of a step.
    void resume(Resume how, int signal = 0);
    // The wait status. The thread may have died. Returns -1 where a signal for the replayer ended the wait.
    int wait();
    // The same, whatever signals come for the replayer meanwhile.
    int wait_through();

    // What the last step has written by way of a store-exclusive that was carried out; nothing the next time.
    std::optional<Written> take_written() {
        return std::exchange(written_, std::nullopt);
    }
    // The thread is between a load-exclusive and its store-exclusive, and has come there with no stop that is recorded:
    // only if it goes on instruction by instruction does the store succeed.
    bool is_amid_exclusive();
    // For a thread made anew at the place of another.
    void be_amid_exclusive_like(const Tracee &other) {
        exclusive_ = other.exclusive_;
    }
    // From here on the store fails, as it does where something has been recorded in between.
    void forget_exclusive();
    // Whether it is where the registers were these.
    bool is_at(const Registers &place);
    // What it has on its stack nearby: 4 KiB, less at the stack's end, and x86-64's red zone.
    std::vector<unsigned char> stack();
    bool has_stack(const std::vector<unsigned char> &stack); // or that is empty
    // Whether an instruction lies between a load-exclusive and its store-exclusive, or is the latter.
    bool has_exclusive_around(std::uint64_t pc) const;
    // The last stop was made up: the kernel says nothing of it.
    bool was_carried_out() const;
    // The thread is behind a store-exclusive that has failed.
    bool has_failed_exclusive();

    // Carries out a system call in this thread, at the stub's code, and gives its registers back. -errno where it
    // fails.
    std::int64_t call(int nr, std::array<std::uint64_t, 6> args);
    // The same for clone: the new thread, stopped at the stub's trap. Throws Failure.
    Tracee clone(std::uint64_t flags, std::uint64_t stack, std::uint64_t tls);

    // After a stop in which registers can't be set or read as they are (a call's entry on arm64, exec): moves on to the
    // stub's trap, where they can; the registers are kept.
    void settle();
    // Does so where it is needed to see all registers: on arm64, at a stop before or behind a call.
    void settle_after_call();

#if defined(__aarch64__)
    // Whether it stands behind a call, at the place where a tracer saw it at the stop behind that call: with 1 for x7.
    bool is_behind_call(const Registers &seen);
    void set_behind_call() {
        has_run_ = false;
    }
#endif

    // The thread ended while something was asked of it.
    bool is_gone() const {
        return gone_;
    }

  private:
    void run_to_trap(); // from the stub's code
    // What a system call takes from a thread on arm64, its scalable vectors; empty where it has none.
    std::vector<unsigned char> vectors() const;
    void set_vectors(std::span<const unsigned char> bytes);
    void expect_trap(int status);

    pid_t process_, tid_;
    void write_registers();

    Registers registers_{}, read_{}; // as they are to be, and as they were when they were read last
    bool valid_ = false, dirty_ = false, was_read_ = false; // since it has stopped
    bool gone_ = false, at_call_ = false;
    bool steps_ = false, pushes_flags_ = false;
    bool traps_itself_ = false; // the program has set the trap flag
    void hide_trap_flag();
    void drop_trap_flag();
    bool has_run_ = true; // since it was stopped at a call, other than for a call of ours
    bool has_vectors_ = true;
    std::optional<Written> written_;
    ExclusiveState exclusive_;
#if defined(__aarch64__)
    bool carry_out_exclusive();
    void find_exclusive();
    std::optional<ExclusiveLoop> exclusive_around(std::uint64_t pc) const;
    std::optional<ExclusiveLoad> read_exclusive(const ExclusiveInstruction &instruction);

    bool is_carried_out_ = false;  // instead of going on
    bool was_carried_out_ = false; // what it has stopped behind
#endif
};

// Reads or writes memory, whatever its protection, of a thread's process (its main thread may be gone). Return how many
// bytes could be. The stub's code is never written: nobody stands between it and the kernel, so what a recording says
// is to be written must not change it.
std::size_t read_memory(pid_t tid, std::uint64_t address, void *into, std::size_t length);
std::size_t write_memory(pid_t tid, std::uint64_t address, const void *from, std::size_t length);

// Writes instructions, which the processor sees at once, and to shared mappings that are not writable, too.
std::size_t write_code(Tracee &tracee, std::uint64_t address, const void *from, std::size_t length);

} // namespace retrograde
