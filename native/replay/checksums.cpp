// Comparing the memory of a replayed process with the checksums that were recorded of it.
#include "replay/session.h"

#include "base/hex.h"
#include "base/page_checksum.h"
#include "replay/maps.h"

#include <algorithm>
#include <cstring>

namespace retrograde {

namespace {

constexpr std::uint64_t least_page = 4096, most_page = 65536;

// What calls leave on a stack need not be the same in each run, and shows again in variables without a value: the
// dynamic linker's resolver saves vectors there by xsavec (see Session::reconsider).
AddressRange stack_at(std::uint64_t sp, const std::vector<Mapping> &maps) {
    constexpr std::uint64_t most = 8 << 20; // to either side
    for (const Mapping &mapping : maps)
        if (mapping.start <= sp && sp < mapping.end)
            return {sp - std::min(sp - mapping.start, most), sp + std::min(mapping.end - sp, most)};
    return {sp, sp};
}

} // namespace

// What may be otherwise though nothing has gone wrong: stacks, and what the kernel is about to write for threads that
// are in a call.
std::vector<AddressRange> Session::undefined_memory(const Task &task) {
    std::vector<AddressRange> ranges;
    std::set<std::uint32_t> in_calls;
    const std::vector<Mapping> maps = current_maps(task.tracee.tid());
    for (auto &[tid, other] : tasks_) {
        if (other.space != task.space)
            continue;
        ranges.push_back(stack_at(other.tracee.registers().sp(), maps));
        if (other.in_call)
            in_calls.insert(tid);
    }
    for (const std::uint64_t sp : task.space->former_stacks())
        ranges.push_back(stack_at(sp, maps));
    constexpr std::uint64_t most_events = 1 << 20;
    EventStream later(stream_.folder()); // of its own: it goes far
    const std::uint64_t end = std::min(later.size(), next_ + most_events);
    for (std::uint64_t seq = next_ + 1; seq < end && !in_calls.empty(); seq++) {
        const Event &event = later[seq];
        if (event.kind == RG_SWITCH || event.kind == RG_CHECKSUM || event.kind == RG_DATA || !in_calls.erase(event.tid))
            continue;
        for (const Segment &segment : event.segments)
            if (segment.flags & RG_SEG_OUT)
                ranges.push_back({segment.address, segment.address + segment.bytes.size()});
    }
    return ranges;
}

void Session::compare_checksums(const Event &event, Task &task) {
    const std::uint64_t page = event.args[1];
    if (page < least_page || page > most_page || (page & (page - 1)) != 0)
        throw Failure("the recording is damaged: pages of " + std::to_string(page) + " bytes", exit_cannot);
    std::vector<std::uint64_t> others; // pages
    std::vector<unsigned char> now(page);
    for (const Segment &segment : event.segments) {
        if (segment.arg != RG_SEG_CHECKSUMS)
            continue;
        std::uint64_t address = segment.address;
        for (std::size_t at = 0; at + 4 <= segment.bytes.size(); at += 4, address += page) {
            std::uint32_t sum;
            std::memcpy(&sum, segment.bytes.data() + at, sizeof sum);
            if (read_memory(task.tracee.tid(), address, now.data(), page) != page ||
                page_checksum(now.data(), page) != sum)
                others.push_back(address);
        }
    }
    checksums_compared_++;
    if (others.empty())
        return;
    const std::vector<AddressRange> undefined = undefined_memory(task);
    std::erase_if(others, [&](std::uint64_t address) {
        return std::any_of(undefined.begin(), undefined.end(), [&](const AddressRange &range) {
            return range.start < address + page && address < range.end;
        });
    });
    if (!others.empty())
        diverge(event, task,
                "its memory is not as it was: of the " + std::to_string(event.args[0]) + " pages that it had, " +
                    std::to_string(others.size()) + " have another checksum, the first at " + hex(others.front()));
}

} // namespace retrograde
