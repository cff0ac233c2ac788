#include "capture/memory_copier.h"

#include "capture/event_rows.h"
#include "capture/syscall_table.h"

#include <algorithm>

namespace retrograde {

MemoryCopier::MemoryCopier(const Options &options, EventWriter &writer) : writer_(writer) {
    // A replay makes again what the kernel read: a cut is enough of it in either grade.
    snaplen_.in = options.snaplen;
    if (options.grade == Grade::observe)
        snaplen_.out = options.snaplen;
}

void MemoryCopier::add(rg_event header, std::uint64_t deref_at_enter, const SavedMemory *saved) {
    header.flags &= static_cast<__u8>(~(RG_FAULT | RG_MORE));
    const ProcessMemory memory(static_cast<pid_t>(header.tid));
    EventRows rows(writer_, buffer_, header);
    if (saved)
        rows.saved(*saved);
    visit_call_memory(memory, header, deref_at_enter, snaplen_,
                      [&](const MemoryRange &range) { rows.copy(memory, range); });
    rows.finish();
}

void MemoryCopier::add_continued(rg_event header, const rg_event &interrupted, std::uint64_t deref_at_enter) {
    header.flags &= static_cast<__u8>(~(RG_FAULT | RG_MORE));
    const ProcessMemory memory(static_cast<pid_t>(header.tid));
    rg_event whole = interrupted;
    whole.result = header.result;
    EventRows rows(writer_, buffer_, header);
    if (interrupted.tid == header.tid) // else it was interrupted before we came
        visit_call_memory(memory, whole, deref_at_enter, snaplen_,
                          [&](const MemoryRange &range) { rows.copy(memory, range); });
    rows.finish();
}

std::uint64_t MemoryCopier::deref_value(pid_t tid, int nr, const __u64 args[6]) const {
    return read_deref(ProcessMemory(tid), nr, args);
}

SavedMemory MemoryCopier::save_at_enter(const rg_event &header) const {
    SavedMemory saved;
    const rg_plan *plan = header.flags & RG_COMPAT ? nullptr : plan_for(header.nr, header.args);
    if (!plan || !(plan->flags & RG_PLAN_ENTER))
        return saved;
    rg_event at_enter = header;
    at_enter.kind = RG_ENTER;
    const ProcessMemory memory(static_cast<pid_t>(header.tid));
    visit_call_memory(memory, at_enter, 0, snaplen_, [&](const MemoryRange &range) {
        constexpr std::uint64_t most = 1 << 20; // of one range: the strings of an exec are 128 KiB at most
        const std::size_t offset = saved.bytes.size(), wanted = std::min(range.keep, most);
        saved.bytes.resize(offset + wanted);
        const std::size_t got = memory.read(range.address, saved.bytes.data() + offset, wanted);
        saved.bytes.resize(offset + got);
        rg_segment segment{};
        segment.address = range.address;
        segment.length = static_cast<std::uint32_t>(got);
        segment.full_length = got < wanted ? got : range.length;
        segment.arg = range.arg;
        segment.flags = range.flags;
        if (got > 0 || wanted == 0)
            saved.segments.push_back(segment);
        if (got < wanted) {
            segment.address += got;
            segment.length = 0;
            segment.full_length = range.length - got;
            segment.flags |= RG_SEG_FAULT;
            saved.segments.push_back(segment);
        }
    });
    return saved;
}

} // namespace retrograde
