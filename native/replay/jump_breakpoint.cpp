// What a jump breakpoint does once it is inserted, on either architecture; how it is, is in a file for each.
#include "replay/jump_breakpoint.h"

#include "base/failure.h"
#include "base/pagemap.h"
#include "replay/maps.h"

#include <algorithm>
#include <sys/mman.h>
#include <sys/syscall.h>

namespace retrograde {

namespace {

constexpr int most_steps = 4096; // out of a pad, which compares up to 900 words

bool is_reservation(const Mapping &mapping) {
    constexpr std::uint64_t least = 1 << 20; // more than what guards a stack
    return mapping.permissions == "---p" && mapping.inode == 0 && mapping.path.empty() &&
           mapping.end - mapping.start >= least;
}

// Whether there is anything in a range, or it can't be told.
bool has_pages(pid_t tid, std::uint64_t start, std::uint64_t length) {
    bool has = false;
    const bool is_told =
        visit_pages(tid, start, start + length, [&](std::uint64_t, PageState page) { has |= page.is_there; });
    return has || !is_told;
}

} // namespace

FreeMemory::FreeMemory(pid_t tid, std::uint64_t highest) : highest_(highest) {
    constexpr std::uint64_t stack_room = 64ull << 20;
    for (const Mapping &mapping : current_maps(tid)) {
        const std::uint64_t room = mapping.path == "[stack]" ? std::min(mapping.start, stack_room) : 0;
        (is_reservation(mapping) ? reserved_ : used_).emplace_back(mapping.start - room, mapping.end);
    }
}

bool FreeMemory::has(std::uint64_t start, std::uint64_t end) const {
    constexpr std::uint64_t lowest = 1 << 20;
    auto overlaps = [=](const Range &range) { return range.first < end && start < range.second; };
    auto cuts = [=](const Range &range) { return overlaps(range) && (start < range.first || range.second < end); };
    return start >= lowest && end <= highest_ && end >= start && std::none_of(used_.begin(), used_.end(), overlaps) &&
           std::none_of(reserved_.begin(), reserved_.end(), cuts);
}

bool JumpBreakpoint::map(Tracee &tracee, std::uint64_t start, std::uint64_t length) {
    for (const Mapping &mapping : current_maps(tracee.tid()))
        was_reserved_ |= mapping.start <= start && start < mapping.end;
    if (was_reserved_ && has_pages(tracee.tid(), start, length))
        return false;
    const std::uint64_t place = was_reserved_ ? MAP_FIXED : MAP_FIXED_NOREPLACE;
    const std::int64_t mapped = tracee.call(
        SYS_mmap, {start, length, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | place, ~0ull, 0});
    mapped_ = start;
    mapped_length_ = length;
    return static_cast<std::uint64_t>(mapped) == start;
}

std::uint64_t JumpBreakpoint::passes(const Tracee &tracee) const {
    std::uint64_t count = 0;
    if (counter_ != 0)
        read_memory(tracee.tid(), counter_, &count, sizeof count);
    return count;
}

void JumpBreakpoint::remove(Tracee &tracee) {
    write_code(tracee, patched_, original_.data(), original_.size());
    if (was_reserved_)
        tracee.call(SYS_mmap, {mapped_, mapped_length_, PROT_NONE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, ~0ull, 0});
    else
        tracee.call(SYS_munmap, {mapped_, mapped_length_, 0, 0, 0, 0});
}

bool JumpBreakpoint::leave_pad(Tracee &tracee, bool is_trap) {
    for (int steps = 0; steps < most_steps; steps++) {
        Registers registers = tracee.registers();
        const std::uint64_t pc = registers.pc();
        if (pc < pad_ || pc >= pad_end_)
            return false;
        const bool matched = pc == match_ + breakpoint_advance && is_trap && steps == 0;
        const auto known = origin_.find(pc);
        if (matched || pc == match_ || known != origin_.end()) {
            registers.set_pc(matched || pc == match_ ? place_ : known->second);
            tracee.set_registers(registers);
            return matched;
        }
        tracee.resume(Resume::step_calls);
        tracee.wait_through();
        if (tracee.is_gone())
            return false;
    }
    throw Failure("a replayed thread does not leave the code that compares its registers");
}

void JumpBreakpoint::go_on(Tracee &tracee) {
    Registers registers = tracee.registers();
    if (registers.pc() == place_ && patched_ == place_) {
        registers.set_pc(displaced_);
        tracee.set_registers(registers);
    }
}

} // namespace retrograde
