#include "capture/memory_copier.h"

#include "capture/syscall_table.h"

#include <algorithm>

namespace retrograde {

namespace {

constexpr std::size_t held_bytes = 1 << 20;
constexpr std::size_t held_segments = 8192; // a row counts them in 16 bits

// Collects the segments of one event in a buffer and hands them to the writer whenever it is full.
class EventRows {
  public:
    EventRows(EventWriter &writer, std::vector<unsigned char> &buffer, const rg_event &header)
        : writer_(writer), buffer_(buffer), header_(header) {
        buffer_.resize(held_bytes);
    }

    void copy(const ProcessMemory &memory, const MemoryRange &range);
    void saved(const SavedMemory &memory);
    void finish() { write(false); }

  private:
    void make_room() {
        if (used_ == held_bytes || segments_.size() == held_segments)
            write(true);
    }
    void segment(const rg_segment &header, std::size_t offset) {
        if (header.flags & RG_SEG_FAULT)
            header_.flags |= RG_FAULT;
        segments_.push_back({header, buffer_.data() + offset});
    }
    void write(bool more);

    EventWriter &writer_;
    std::vector<unsigned char> &buffer_;
    rg_event header_;
    std::vector<SegmentView> segments_;
    std::size_t used_ = 0;
    bool begun_ = false;
};

void EventRows::copy(const ProcessMemory &memory, const MemoryRange &range) {
    std::uint64_t done = 0;
    do {
        make_room();
        const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(range.keep - done, held_bytes - used_));
        const std::size_t got = memory.read(range.address + done, buffer_.data() + used_, wanted);
        rg_segment header{};
        header.address = range.address + done;
        header.length = static_cast<std::uint32_t>(got);
        header.arg = range.arg;
        header.flags = range.flags;
        done += got;
        // A cut by the snaplen belongs to the last piece.
        header.full_length = done == range.keep ? range.length - done + got : got;
        if (got > 0 || wanted == 0)
            segment(header, used_);
        used_ += got;
        if (got < wanted) {
            make_room();
            header.address = range.address + done;
            header.length = 0;
            header.full_length = range.length - done;
            header.flags |= RG_SEG_FAULT;
            segment(header, used_);
            return;
        }
    } while (done < range.keep);
}

void EventRows::saved(const SavedMemory &memory) {
    std::size_t offset = 0;
    for (const rg_segment &whole : memory.segments) {
        std::uint32_t done = 0;
        do {
            make_room();
            rg_segment header = whole;
            const auto length =
                static_cast<std::uint32_t>(std::min<std::size_t>(whole.length - done, held_bytes - used_));
            header.address += done;
            header.length = length;
            header.full_length = done + length == whole.length ? whole.full_length - done : length;
            std::copy_n(memory.bytes.data() + offset + done, length, buffer_.data() + used_);
            segment(header, used_);
            used_ += length;
            done += length;
        } while (done < whole.length);
        offset += whole.length;
    }
}

void EventRows::write(bool more) {
    header_.flags = static_cast<__u8>(more ? header_.flags | RG_MORE : header_.flags & ~RG_MORE);
    if (begun_)
        writer_.add_data(header_, segments_, more);
    else
        writer_.add(header_, segments_);
    begun_ = true;
    segments_.clear();
    used_ = 0;
}

} // namespace

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
