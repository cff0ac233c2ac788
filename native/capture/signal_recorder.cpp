#include "capture/signal_recorder.h"

#include "base/clock.h"
#include "capture/call_memory.h"
#include "capture/process_facts.h"
#include "capture/registers.h"

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <ucontext.h>

namespace retrograde {

namespace {

constexpr std::uint64_t largest_frame = 160 << 10; // with the widest SVE vectors and SME's array

// Where struct rt_sigframe has its ucontext (arch/x86/include/asm/sigframe.h, arch/arm64/kernel/signal.c).
#if defined(__x86_64__)
constexpr std::uint64_t ucontext_at = sizeof(void *);
#else
constexpr std::uint64_t ucontext_at = sizeof(siginfo_t);
#endif

// The fields that the eBPF program takes from the kernel's siginfo, as it takes them (struct kernel_siginfo).
struct RawSignalInfo {
    std::int32_t signo, error, code, pad;
    union {
        struct {
            std::int32_t pid;
            std::uint32_t uid;
        } kill;
        std::uint64_t address;
    };
};

// What the kernel has put on the stack lies between the handler's stack pointer and the one before, or, on an alternate
// stack that was empty, that stack's end.
std::uint64_t end_of_frame(const ProcessMemory &memory, std::uint64_t sp, std::uint64_t sp_before) {
    stack_t alternate{};
    const bool known = memory.get(sp + ucontext_at + offsetof(ucontext_t, uc_stack), alternate);
    const auto base = reinterpret_cast<std::uint64_t>(alternate.ss_sp);
    auto is_on_alternate = [&](std::uint64_t at) {
        return known && !(alternate.ss_flags & SS_DISABLE) && at > base && at - base <= alternate.ss_size;
    };
    std::uint64_t end = sp_before;
    if (is_on_alternate(sp) && !is_on_alternate(sp_before))
        end = base + alternate.ss_size;
    return end > sp ? std::min(end, sp + largest_frame) : sp + largest_frame;
}

std::vector<unsigned char> read_memory(const ProcessMemory &memory, std::uint64_t start, std::uint64_t end) {
    std::vector<unsigned char> bytes(end - start);
    bytes.resize(memory.read(start, bytes.data(), bytes.size()));
    return bytes;
}

std::uint64_t handler_of(const std::vector<unsigned char> &registers) {
    GeneralRegisters general{};
    if (registers.size() != sizeof general)
        return 0;
    std::memcpy(&general, registers.data(), sizeof general);
    return program_counter(general);
}

std::uint64_t stack_of(const std::vector<unsigned char> &registers) {
    GeneralRegisters general{};
    if (registers.size() != sizeof general)
        return 0;
    std::memcpy(&general, registers.data(), sizeof general);
    return stack_pointer(general);
}

} // namespace

// Registers alone may be the same at every turn of a loop: with what lies on the stack, the place can be told again.
SignalRecorder::Stack SignalRecorder::stack_around(pid_t tid, std::uint64_t sp) {
    constexpr std::uint64_t below = 128, above = 512; // the red zone, and the frame or a part of it
    if (sp <= below)
        return {0, {}};
    const std::uint64_t start = (sp - below) & ~7ull;
    return {start, read_memory(ProcessMemory(tid), start, (sp + above) & ~7ull)};
}

std::optional<WireRecord> SignalRecorder::strike(pid_t tid, int signal) {
    const ProcessFacts facts = read_process_facts(tid);
    const std::uint64_t bit = 1ull << (signal - 1);
    Struck struck{make_event(RG_SIGNAL, signal, facts.pid, tid, 0), read_register_set(tid, NT_PRSTATUS), {}};
    RawSignalInfo info{};
    siginfo_t whole{};
    static_assert(sizeof info <= sizeof whole);
    if (::ptrace(PTRACE_GETSIGINFO, tid, nullptr, &whole) == 0)
        std::memcpy(&info, &whole, sizeof info);
    // The kernel reports a stop before the thread has left the CPU, and answers a request about it afterwards: its
    // SWITCH is older than this row (kernel/signal.c: ptrace_stop; kernel/ptrace.c: ptrace_check_attach).
    struck.event.enter = struck.event.exit = now_ns();
    struck.stack = stack_around(tid, stack_of(struck.registers));
    struck.event.args[0] = static_cast<__u64>(static_cast<std::int64_t>(info.code));
    struck.event.args[1] = static_cast<__u64>(static_cast<std::int64_t>(info.kill.pid));
    struck.event.args[2] = info.kill.uid;
    struck.event.args[3] = info.address;
    struck.event.args[4] = facts.ignored & bit ? 1 : 0;
    if (facts.caught & bit) {
        struck_[tid] = std::move(struck);
        return std::nullopt;
    }
    WireRecordBuilder row(struck.event);
    row.add(RG_SEG_REGISTERS, 0, 0, struck.registers);
    row.add(RG_SEG_MEMORY, RG_SEG_IN, struck.stack.address, struck.stack.bytes);
    return row.take();
}

SignalRecorder::Struck SignalRecorder::take(pid_t tid) {
    auto node = struck_.extract(tid);
    return std::move(node.mapped());
}

WireRecord SignalRecorder::at_handler(pid_t tid) {
    Struck struck = take(tid);
    const std::vector<unsigned char> registers = read_register_set(tid, NT_PRSTATUS);
    const std::uint64_t sp = stack_of(registers);
    struck.event.args[4] = handler_of(registers);
    WireRecordBuilder row(struck.event);
    row.add(RG_SEG_REGISTERS, 0, 0, struck.registers);
    row.add(RG_SEG_MEMORY, RG_SEG_IN, struck.stack.address, struck.stack.bytes);
    row.add(RG_SEG_HANDLER_REGISTERS, 0, 0, registers);
    row.add(RG_SEG_HANDLER_FPREGISTERS, 0, 0, read_register_set(tid, fp_registers));
    const ProcessMemory memory(tid);
    if (sp != 0)
        row.add(RG_SEG_MEMORY, RG_SEG_OUT, sp,
                read_memory(memory, sp, end_of_frame(memory, sp, stack_of(struck.registers))));
    return row.take();
}

WireRecord SignalRecorder::without_handler(pid_t tid) {
    const Struck struck = take(tid);
    WireRecordBuilder row(struck.event);
    row.add(RG_SEG_REGISTERS, 0, 0, struck.registers);
    row.add(RG_SEG_MEMORY, RG_SEG_IN, struck.stack.address, struck.stack.bytes);
    return row.take();
}

std::uint64_t SignalRecorder::earliest() const {
    std::uint64_t time = ~0ull;
    for (const auto &[tid, struck] : struck_)
        time = std::min<std::uint64_t>(time, struck.event.exit);
    return time;
}

HandlerStop handler_stop(pid_t tid, int wait_status) {
    siginfo_t info{};
    if (wait_status >> 16 != 0 || WSTOPSIG(wait_status) != SIGTRAP ||
        ::ptrace(PTRACE_GETSIGINFO, tid, nullptr, &info) != 0)
        return HandlerStop::other;
    if (info.si_code == SIGTRAP) // kernel/signal.c: ptrace_notify
        return HandlerStop::at_handler;
    return info.si_code == TRAP_TRACE ? HandlerStop::step : HandlerStop::other;
}

} // namespace retrograde
