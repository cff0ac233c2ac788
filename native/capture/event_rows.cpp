#include "capture/event_rows.h"

#include <algorithm>

namespace retrograde {

namespace {

constexpr std::size_t held_bytes = 1 << 20;
constexpr std::size_t held_segments = 8192; // a row counts them in 16 bits

} // namespace

EventRows::EventRows(EventWriter &writer, std::vector<unsigned char> &buffer, const rg_event &header)
    : writer_(writer), buffer_(buffer), header_(header) {
    buffer_.resize(held_bytes);
}

void EventRows::make_room() {
    if (used_ == held_bytes || segments_.size() == held_segments)
        write(true);
}

void EventRows::segment(const rg_segment &header, std::size_t offset) {
    if (header.flags & RG_SEG_FAULT)
        header_.flags |= RG_FAULT;
    segments_.push_back({header, buffer_.data() + offset});
}

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

void EventRows::piecewise(const rg_segment &whole, const unsigned char *bytes) {
    std::uint32_t done = 0;
    do {
        make_room();
        rg_segment header = whole;
        const auto length = static_cast<std::uint32_t>(std::min<std::size_t>(whole.length - done, held_bytes - used_));
        header.address += done;
        header.length = length;
        header.full_length = done + length == whole.length ? whole.full_length - done : length;
        std::copy_n(bytes + done, length, buffer_.data() + used_);
        segment(header, used_);
        used_ += length;
        done += length;
    } while (done < whole.length);
}

void EventRows::saved(const SavedMemory &memory) {
    std::size_t offset = 0;
    for (const rg_segment &whole : memory.segments) {
        piecewise(whole, memory.bytes.data() + offset);
        offset += whole.length;
    }
}

void EventRows::add(unsigned arg, unsigned flags, std::uint64_t address, std::span<const unsigned char> bytes) {
    rg_segment whole{};
    whole.address = address;
    whole.full_length = bytes.size();
    whole.length = static_cast<__u32>(bytes.size());
    whole.arg = static_cast<__u8>(arg);
    whole.flags = static_cast<__u8>(flags);
    piecewise(whole, bytes.data());
}

void EventRows::add(unsigned arg, std::string_view text) {
    add(arg, 0, 0, {reinterpret_cast<const unsigned char *>(text.data()), text.size()});
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

} // namespace retrograde
