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

// What may be otherwise though nothing has gone wrong: stacks.
std::vector<AddressRange> Session::stacks(const Task &task) {
    std::vector<AddressRange> ranges;
    const std::vector<Mapping> maps = current_maps(task.tracee.tid());
    for (auto &[tid, other] : tasks_)
        if (other.space == task.space)
            ranges.push_back(stack_at(other.tracee.registers().sp(), maps));
    for (const std::uint64_t sp : task.space->former_stacks())
        ranges.push_back(stack_at(sp, maps));
    return ranges;
}

// And what the kernel is about to write for threads that are in a call: it may have begun.
std::vector<AddressRange> Session::results_to_come(const Task &task) {
    constexpr std::uint64_t most_events = 1 << 20;
    std::vector<AddressRange> ranges;
    std::map<std::uint32_t, bool> in_calls; // whether the row of the call has been seen
    for (const auto &[tid, other] : tasks_)
        if (other.space == task.space && other.in_call)
            in_calls[tid] = false;
    EventStream later(stream_.folder()); // of its own: it goes far
    const std::uint64_t end = std::min(later.size(), next_ + most_events);
    for (std::uint64_t seq = next_ + 1; seq < end && !in_calls.empty(); seq++) {
        const Event &event = later[seq];
        const auto found = in_calls.find(event.tid);
        if (found == in_calls.end() || event.kind == RG_SWITCH || event.kind == RG_CHECKSUM)
            continue;
        const bool is_written = event.kind == RG_WRITTEN && event.args[0] == RG_WRITTEN_PROCESS;
        if (found->second && event.kind != RG_DATA) {
            in_calls.erase(found);
            continue;
        }
        for (const Segment &segment : event.segments)
            if (segment.flags & RG_SEG_OUT || (is_written && segment.arg == RG_SEG_MEMORY))
                ranges.push_back({segment.address, segment.address + segment.bytes.size()});
        found->second |= event.kind != RG_DATA && event.kind != RG_WRITTEN && event.kind != RG_MAPPED;
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
    if (event.exit != checksum_time_ns_) // a large process has several rows
        checksums_compared_++;
    checksum_time_ns_ = event.exit;
    auto leave_out = [&](const std::vector<AddressRange> &ranges) {
        std::erase_if(others, [&](std::uint64_t address) {
            return std::any_of(ranges.begin(), ranges.end(), [&](const AddressRange &range) {
                return range.start < address + page && address < range.end;
            });
        });
    };
    if (!others.empty())
        leave_out(stacks(task));
    if (!others.empty())
        leave_out(results_to_come(task));
    if (!others.empty())
        diverge(event, task,
                "its memory is not as it was: of " + std::to_string(event.args[0]) + " pages, " +
                    std::to_string(others.size()) + " have another checksum, the first at " + hex(others.front()));
}

} // namespace retrograde
