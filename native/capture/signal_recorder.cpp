#include "capture/signal_recorder.h"

#include "base/clock.h"
#include "base/restart.h"
#include "capture/call_memory.h"
#include "capture/process_facts.h"
#include "capture/registers.h"

#include <algorithm>
#include <array>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <ucontext.h>

namespace retrograde {

namespace {

constexpr std::uint64_t some_frames = 8 << 10;
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

std::uint64_t pc_of(const std::vector<unsigned char> &registers) {
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

namespace {

std::uint64_t word_of(const std::vector<unsigned char> &registers, std::size_t number) {
    std::uint64_t word = 0;
    if ((number + 1) * sizeof word <= registers.size())
        std::memcpy(&word, registers.data() + number * sizeof word, sizeof word);
    return word;
}

// Collects memory piece by piece, none twice and no more than there is room for.
class Collector {
  public:
    explicit Collector(pid_t tid) : memory_(tid) {}

    bool add(std::uint64_t address) {
        constexpr std::uint64_t length = 64;
        const std::uint64_t start = address & ~7ull;
        const bool known = std::any_of(found_.begin(), found_.end(), [&](const Memory &piece) {
            return start >= piece.address && start + length <= piece.address + piece.bytes.size();
        });
        if (known || length > room_)
            return known;
        Memory piece{start, read_memory(memory_, start, start + length)};
        if (piece.bytes.size() < sizeof(std::uint64_t))
            return false;
        room_ -= piece.bytes.size();
        found_.push_back(std::move(piece));
        return true;
    }

    // What an operand is, and what that points to.
    void add_operand(std::uint64_t address) {
        std::uint64_t pointer = 0;
        if (add(address) && memory_.get(address, pointer))
            add(pointer);
    }

    std::vector<Memory> take() { return std::move(found_); }
    const ProcessMemory &memory() const { return memory_; }

  private:
    const ProcessMemory memory_;
    std::vector<Memory> found_;
    std::uint64_t room_ = 16384;
};

#if defined(__x86_64__)
constexpr std::size_t general_registers = 15; // before orig_rax: r15 to rdi (struct user_regs_struct)

// Operands relative to the program counter, of the instructions around it. Where instructions begin is not looked for:
// what is taken for an operand by mistake tells nothing, and costs little.
void add_operands(Collector &collector, std::uint64_t pc, const std::vector<unsigned char> &) {
    constexpr std::uint64_t around = 64;                       // bytes
    constexpr unsigned char mode_mask = 0xc7, relative = 0x05; // ModR/M: mod 00, r/m 101
    unsigned char code[2 * around];
    const std::size_t got = pc < around ? 0 : collector.memory().read(pc - around, code, sizeof code);
    for (std::size_t at = 0; at + 5 <= got; at++) {
        std::int32_t displacement;
        if ((code[at] & mode_mask) != relative)
            continue;
        std::memcpy(&displacement, code + at + 1, sizeof displacement);
        collector.add_operand(pc - around + at + 5 + static_cast<std::uint64_t>(std::int64_t{displacement}));
    }
}

// Whether a call instruction ends at an address: then it is where a function returns to. E8 with an offset; FF /2 with
// a register, and with memory at an 8-bit, rip-relative or 32-bit displacement (Intel SDM volume 2, CALL).
bool is_behind_call(const ProcessMemory &memory, std::uint64_t address) {
    unsigned char code[7];
    if (address < sizeof code || memory.read(address - sizeof code, code, sizeof code) != sizeof code)
        return false;
    return code[2] == 0xe8 || (code[5] == 0xff && (code[6] & 0xf8) == 0xd0) ||
           (code[4] == 0xff && (code[5] & 0xf8) == 0x50) ||
           (code[1] == 0xff && (code[2] == 0x15 || (code[2] & 0xf8) == 0x90));
}
#else
constexpr std::size_t general_registers = 31;

// What the instructions around load and store at a distance from a register, or from the address that one is given
// there (Arm ARM, C6.2: LDR and STR with an immediate offset, ADRP, ADD).
void add_operands(Collector &collector, std::uint64_t pc, const std::vector<unsigned char> &registers) {
    constexpr std::uint64_t around = 64, page = 0x1000; // bytes
    std::array<std::uint32_t, 2 * around / 4> code;
    std::array<std::uint64_t, 32> given{};
    const std::size_t got = pc < around ? 0 : collector.memory().read(pc - around, code.data(), sizeof code) / 4;
    for (std::size_t i = 0; i < got; i++) {
        const std::uint32_t instruction = code[i], immediate = instruction >> 10 & 0xfff;
        const std::size_t base = instruction >> 5 & 31, target = instruction & 31;
        if ((instruction & 0x9f000000) == 0x90000000) { // adrp
            const std::uint64_t pages = (instruction >> 5 & 0x7ffff) << 2 | (instruction >> 29 & 3), sign = 1 << 20;
            given[target] = ((pc - around + 4 * i) & ~(page - 1)) + ((pages ^ sign) - sign) * page;
        } else if ((instruction & 0xff800000) == 0x91000000 && given[base]) { // add
            given[target] = given[base] + (immediate << (instruction >> 22 & 1 ? 12 : 0));
        } else if ((instruction & 0x3b000000) == 0x39000000) { // ldr, str
            const bool is_quad = (instruction & 0xc4800000) == 0x04800000;
            const std::uint64_t offset = std::uint64_t{immediate} << (is_quad ? 4 : instruction >> 30);
            collector.add_operand((given[base] ? given[base] : word_of(registers, base)) + offset);
        }
    }
}

// Whether bl or blr ends at an address: then it is where a function returns to.
bool is_behind_call(const ProcessMemory &memory, std::uint64_t address) {
    std::uint32_t code = 0;
    return address % 4 == 0 && memory.get(address - 4, code) &&
           ((code & 0xfc000000) == 0x94000000 || (code & 0xfffffc1f) == 0xd63f0000);
}
#endif

// It happens where it does for what the instruction does.
bool is_fault(int signal) {
    return signal == SIGSEGV || signal == SIGBUS || signal == SIGILL || signal == SIGFPE || signal == SIGTRAP;
}

// Whether a call is being left: what it was given may have been written to, though it has failed.
#if defined(__x86_64__)
bool is_in_call(pid_t, const std::vector<unsigned char> &registers) {
    constexpr std::size_t orig_rax = 15;
    return static_cast<std::int64_t>(word_of(registers, orig_rax)) >= 0;
}
#else
bool is_in_call(pid_t tid, const std::vector<unsigned char> &) {
    const std::vector<unsigned char> number = read_register_set(tid, NT_ARM_SYSTEM_CALL);
    std::int32_t call = 0;
    std::memcpy(&call, number.data(), std::min(sizeof call, number.size()));
    return call >= 0;
}
#endif

// Whether a thread that makes one step from here, or begins its interrupted call again, may be in a call for long.
bool steps_into_call(pid_t tid, const std::vector<unsigned char> &registers) {
#if defined(__x86_64__)
    constexpr std::size_t result_at = 10; // rax
    constexpr std::array<unsigned char, 2> call{0x0f, 0x05};
#else
    constexpr std::size_t result_at = 0;
    constexpr std::array<unsigned char, 4> call{0x01, 0x00, 0x00, 0xd4};
#endif
    if (is_in_call(tid, registers) && is_restart(static_cast<std::int64_t>(word_of(registers, result_at))))
        return true;
    std::array<unsigned char, call.size()> next{};
    ProcessMemory(tid).read(pc_of(registers), next.data(), next.size());
    return next == call;
}

bool stops_by_default(int signal) {
    return signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU;
}

} // namespace

Memory stack_around(pid_t tid, const std::vector<unsigned char> &registers, std::uint64_t above) {
    constexpr std::uint64_t below = 128; // the red zone
    const std::uint64_t sp = stack_of(registers);
    if (sp <= below)
        return {0, {}};
    const std::uint64_t start = (sp - below) & ~7ull;
    return {start, read_memory(ProcessMemory(tid), start, (sp + above) & ~7ull)};
}

std::vector<Memory> memory_in_reach(pid_t tid, const std::vector<unsigned char> &registers) {
    constexpr std::size_t words_looked_at = 40, most_callers = 4;
    Collector collector(tid);
    for (std::size_t number = 0; number < general_registers; number++)
        collector.add(word_of(registers, number));
    add_operands(collector, pc_of(registers), registers);
    std::size_t callers = 0;
    auto add_word = [&](std::uint64_t word) {
        if (callers < most_callers && is_behind_call(collector.memory(), word)) {
            callers++;
            add_operands(collector, word, registers);
        } else {
            collector.add(word);
        }
    };
#if defined(__aarch64__)
    add_word(word_of(registers, 30));
#endif
    std::array<std::uint64_t, words_looked_at> stack{};
    collector.memory().read(stack_of(registers), stack.data(), sizeof stack);
    for (const std::uint64_t word : stack)
        add_word(word);
    return collector.take();
}

std::optional<WireRecord> SignalRecorder::strike(pid_t tid, int signal, bool is_alone, bool others_run) {
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
    struck.evidence.push_back(stack_around(tid, struck.registers, some_frames));
    if (is_alone && !is_fault(signal) && !is_in_call(tid, struck.registers))
        for (Memory &memory : memory_in_reach(tid, struck.registers))
            struck.evidence.push_back(std::move(memory));
    struck.event.args[0] = static_cast<__u64>(static_cast<std::int64_t>(info.code));
    struck.event.args[1] = static_cast<__u64>(static_cast<std::int64_t>(info.kill.pid));
    struck.event.args[2] = info.kill.uid;
    struck.event.args[3] = info.address;
    struck.event.args[4] = facts.ignored & bit ? 1 : 0;
    const bool may_be_caught =
        others_run && facts.threads > 1 && !stops_by_default(signal) && !steps_into_call(tid, struck.registers);
    if (facts.caught & bit || may_be_caught) {
        struck_[tid] = std::move(struck);
        return std::nullopt;
    }
    WireRecordBuilder row = begin_row(struck);
    return row.take();
}

WireRecordBuilder SignalRecorder::begin_row(const Struck &struck) {
    WireRecordBuilder row(struck.event);
    row.add(RG_SEG_REGISTERS, 0, 0, struck.registers);
    for (const Memory &memory : struck.evidence)
        row.add(RG_SEG_MEMORY, RG_SEG_IN, memory.address, memory.bytes);
    return row;
}

SignalRecorder::Struck SignalRecorder::take(pid_t tid) {
    auto node = struck_.extract(tid);
    return std::move(node.mapped());
}

WireRecord SignalRecorder::at_handler(pid_t tid) {
    Struck struck = take(tid);
    const std::vector<unsigned char> registers = read_register_set(tid, NT_PRSTATUS);
    const std::uint64_t sp = stack_of(registers);
    struck.event.args[4] = pc_of(registers);
    WireRecordBuilder row = begin_row(struck);
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
    WireRecordBuilder row = begin_row(struck);
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
    // A step over a call is told with the other code (arch/x86/kernel/ptrace.c: user_single_step_report).
    return info.si_code == TRAP_TRACE || info.si_code == TRAP_BRKPT ? HandlerStop::step : HandlerStop::other;
}

} // namespace retrograde
