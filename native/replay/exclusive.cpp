#include "replay/exclusive.h"

#include "replay/tracee.h"

#include <cstring>
#include <sys/uio.h>
#include <utility>

namespace retrograde {

#if defined(__aarch64__)

std::optional<ExclusiveInstruction> exclusive_instruction(std::uint32_t code) {
    // size:2 001000 o2:1 L:1 o1:1 Rs:5 o0:1 Rt2:5 Rn:5 Rt:5, with o2 = 0; o1 is for pairs, of words and doublewords.
    if ((code & 0x3fa00000) != 0x08000000 && (code & 0xbfa00000) != 0x88200000)
        return std::nullopt;
    ExclusiveInstruction found;
    found.is_load = code & 1u << 22;
    found.is_pair = code & 1u << 21;
    found.size = std::size_t{1} << (code >> 30);
    found.status = code >> 16 & 31, found.second = code >> 10 & 31, found.base = code >> 5 & 31,
    found.first = code & 31;
    return found;
}

bool clears_exclusive(std::uint32_t code) {
    return (code & 0xfffff0ff) == 0xd503305f;
}

namespace {

// From the load to the store there are no more instructions than these (Arm ARM B2.12.5: 128 bytes).
constexpr std::uint64_t most_amid_exclusive = 32;

std::uint32_t code_at(pid_t tid, std::uint64_t pc) {
    std::uint32_t code = 0;
    read_memory(tid, pc, &code, sizeof code);
    return code;
}

} // namespace

std::optional<ExclusiveLoad> Tracee::read_exclusive(const ExclusiveInstruction &instruction) {
    ExclusiveLoad load{instruction.address(registers()), instruction.length(), {}};
    if (read_memory(tid_, load.address, load.bytes.data(), load.length) != load.length)
        return std::nullopt;
    return load;
}

// The store succeeds if its memory is still what the load has read: where another thread has written the same there
// meanwhile, the next turn of the loop would store the same.
bool Tracee::carry_out_exclusive() {
    const std::uint32_t code = code_at(tid_, registers().pc());
    const auto instruction = exclusive_instruction(code);
    if (!instruction) {
        if (clears_exclusive(code))
            exclusive_.load.reset();
        return false;
    }
    const auto now = read_exclusive(*instruction);
    if (instruction->is_load) {
        exclusive_.load = now;
        exclusive_.steps = 0;
        return false;
    }
    if (!now || std::exchange(exclusive_.load, std::nullopt) != now)
        return false;
    Registers changed = registers();
    std::array<std::uint64_t, 2> stored{};
    auto store = [&](std::size_t at, unsigned from) {
        const std::uint64_t value = from == 31 ? 0 : changed.raw.regs[from];
        std::memcpy(reinterpret_cast<unsigned char *>(stored.data()) + at, &value, instruction->size);
    };
    store(0, instruction->first);
    if (instruction->is_pair)
        store(instruction->size, instruction->second);
    const iovec from{stored.data(), now->length}, to{reinterpret_cast<void *>(now->address), now->length};
    if (::process_vm_writev(tid_, &from, 1, &to, 1, 0) != static_cast<ssize_t>(now->length)) // it will fault
        return false;
    if (instruction->status != 31)
        changed.raw.regs[instruction->status] = 0;
    changed.set_pc(changed.pc() + sizeof(std::uint32_t));
    set_registers(changed);
    written_ = Written{now->address, now->length};
    is_carried_out_ = true;
    return true;
}

// Looks for a load-exclusive before and a store-exclusive at or behind pc, as near to each other as loops of them are.
std::optional<ExclusiveLoop> Tracee::exclusive_around(std::uint64_t pc) const {
    constexpr std::uint64_t length = sizeof(std::uint32_t), page = 4096;
    std::array<std::uint32_t, 2 * most_amid_exclusive> code{};
    std::uint64_t begin = pc - most_amid_exclusive * length;
    std::size_t got = read_memory(tid_, begin, code.data(), sizeof code) / length;
    if (got == 0) { // the page before is not there
        begin = pc & ~(page - 1);
        got = read_memory(tid_, begin, code.data(), sizeof code) / length;
    }
    ExclusiveLoop loop;
    for (std::size_t at = (pc - begin) / length; at-- > 0 && loop.load_at == 0;)
        if (const auto before = at < got ? exclusive_instruction(code[at]) : std::nullopt) {
            if (!before->is_load)
                return std::nullopt;
            loop.load = *before, loop.load_at = begin + at * length;
        }
    for (std::size_t at = (pc - begin) / length; at < got && loop.load_at != 0; at++)
        if (const auto store = exclusive_instruction(code[at])) {
            if (store->is_load || store->base != loop.load.base)
                return std::nullopt;
            loop.store = *store;
            return loop;
        }
    return std::nullopt;
}

void Tracee::find_exclusive() {
    const std::uint64_t pc = registers().pc();
    const auto loop = exclusive_around(pc);
    if (loop && (exclusive_.resumed_at <= loop->load_at || exclusive_.resumed_at > pc))
        exclusive_.load = read_exclusive(loop->store);
}

bool Tracee::is_amid_exclusive() {
    if (std::exchange(exclusive_.may_be_amid, false)) {
        exclusive_.steps = 0;
        find_exclusive();
    }
    if (!exclusive_.load)
        return false;
    // Who loads once more has nothing to lose.
    const auto here = exclusive_instruction(code_at(tid_, registers().pc()));
    if (exclusive_.steps > most_amid_exclusive || (here && here->is_load))
        exclusive_.load.reset();
    return exclusive_.load.has_value();
}

void Tracee::forget_exclusive() {
    exclusive_.load.reset();
    exclusive_.may_be_amid = false;
}

// A store-exclusive may fail once more or less than it did before: after an interrupt, or where the page had to be
// copied first. Nothing but its status register tells of that, which nobody reads before it is set again.
bool Tracee::is_at(const Registers &place) {
    if (same_place(registers(), place))
        return true;
    const auto loop = registers().pc() == place.pc() ? exclusive_around(place.pc()) : std::nullopt;
    if (!loop || loop->store.status == 31)
        return false;
    Registers with_status = place;
    with_status.raw.regs[loop->store.status] = registers().raw.regs[loop->store.status];
    return same_place(registers(), with_status);
}

bool Tracee::has_exclusive_around(std::uint64_t pc) const {
    return exclusive_around(pc).has_value();
}

bool Tracee::was_carried_out() const {
    return was_carried_out_;
}

bool Tracee::has_failed_exclusive() {
    const auto before = exclusive_instruction(code_at(tid_, registers().pc() - sizeof(std::uint32_t)));
    return before && !before->is_load && before->status != 31 && registers().raw.regs[before->status] != 0;
}

#else

bool Tracee::is_amid_exclusive() {
    return false;
}

void Tracee::forget_exclusive() {}

bool Tracee::is_at(const Registers &place) {
    return same_place(registers(), place);
}

bool Tracee::has_exclusive_around(std::uint64_t) const {
    return false;
}

bool Tracee::was_carried_out() const {
    return false;
}

bool Tracee::has_failed_exclusive() {
    return false;
}

#endif

} // namespace retrograde
