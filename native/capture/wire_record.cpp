#include "capture/wire_record.h"

namespace retrograde {

namespace {

void append(WireRecord &to, const void *bytes, std::size_t length) {
    const auto *from = static_cast<const unsigned char *>(bytes);
    to.insert(to.end(), from, from + length);
}

} // namespace

rg_event make_event(rg_kind kind, int nr, pid_t pid, pid_t tid, std::uint64_t time) {
    rg_event event{};
    event.size = sizeof event;
    event.kind = static_cast<__u8>(kind);
    event.pid = static_cast<__u32>(pid);
    event.tid = static_cast<__u32>(tid);
    event.nr = nr;
    event.enter = event.exit = time;
    return event;
}

void WireRecordBuilder::add(unsigned arg, unsigned flags, std::uint64_t address, std::span<const unsigned char> bytes) {
    if (bytes.empty())
        return;
    rg_segment segment{};
    segment.address = address;
    segment.full_length = bytes.size();
    segment.length = static_cast<__u32>(bytes.size());
    segment.arg = static_cast<__u8>(arg);
    segment.flags = static_cast<__u8>(flags);
    append(segments_, &segment, sizeof segment);
    append(segments_, bytes.data(), bytes.size());
    segments_.resize((segments_.size() + 7) / 8 * 8);
    header_.segment_count++;
}

WireRecord WireRecordBuilder::take() {
    header_.size = static_cast<__u32>(sizeof header_ + segments_.size());
    WireRecord record;
    append(record, &header_, sizeof header_);
    append(record, segments_.data(), segments_.size());
    return record;
}

} // namespace retrograde
