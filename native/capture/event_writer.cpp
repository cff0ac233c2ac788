#include "capture/event_writer.h"

#include "base/failure.h"
#include "base/json.h"

#include <algorithm>
#include <cstring>
#include <zlib.h>
#include <zstd.h>

namespace retrograde {

namespace {

// Block header, as docs/reference/recording-format.md has it.
struct [[gnu::packed]] BlockHeader {
    char magic[4];
    std::uint8_t type, codec;
    std::uint16_t version;
    std::uint32_t stored_length, raw_length;
    std::uint64_t first_seq;
    std::uint32_t count, payload_crc32;
    std::uint64_t time_min, time_max, index;
    std::uint32_t reserved, header_crc32;
};
static_assert(sizeof(BlockHeader) == 64);

enum BlockType : unsigned { block_events = 1, block_snapshot = 2, block_info = 3, block_loss = 4, block_end = 5 };

// A block is written when it holds this much. Small enough that a crash costs little and that a reader holds little,
// large enough that the compressor sees the repetition.
constexpr std::size_t full_heap = 1 << 20;
constexpr std::size_t full_events = 16384;
constexpr std::size_t full_segments = 65536;
constexpr std::size_t max_piece = 1 << 20;
constexpr int compression_level = 1;

std::uint32_t crc_of(const void *bytes, std::size_t length) {
    return static_cast<std::uint32_t>(crc32_z(0, static_cast<const Bytef *>(bytes), length));
}

template <typename T> void append_planes(std::vector<unsigned char> &out, const std::vector<T> &column) {
    const std::size_t count = column.size(), base = out.size();
    out.resize(base + count * sizeof(T));
    unsigned char *planes = out.data() + base;
    for (std::size_t plane = 0; plane < sizeof(T); plane++)
        for (std::size_t i = 0; i < count; i++)
            planes[plane * count + i] = static_cast<unsigned char>(static_cast<std::make_unsigned_t<T>>(column[i]) >>
                                                                   (8 * plane));
}

template <typename T> void append_number(std::vector<unsigned char> &out, T number) {
    for (std::size_t i = 0; i < sizeof(T); i++)
        out.push_back(static_cast<unsigned char>(number >> (8 * i)));
}

} // namespace

struct EventWriter::Columns {
    std::vector<std::uint8_t> kind, flags;
    std::vector<std::uint16_t> cpu, segment_count;
    std::vector<std::int32_t> nr;
    std::vector<std::uint32_t> pid, tid;
    std::vector<std::uint64_t> exit, duration;
    std::vector<std::int64_t> result;
    std::vector<std::uint64_t> args[6];

    std::vector<std::uint8_t> segment_arg, segment_flags;
    std::vector<std::uint32_t> segment_length;
    std::vector<std::uint64_t> segment_full_length, segment_address;

    std::vector<unsigned char> heap;
    std::uint64_t last_exit = 0, time_min = ~0ull, time_max = 0;

    template <typename Visitor> void each_column(Visitor visit) {
        visit(kind), visit(flags), visit(cpu), visit(segment_count), visit(nr), visit(pid), visit(tid), visit(exit);
        visit(duration), visit(result);
        for (auto &column : args)
            visit(column);
        visit(segment_arg), visit(segment_flags), visit(segment_length), visit(segment_full_length);
        visit(segment_address);
    }

    void clear() {
        each_column([](auto &column) { column.clear(); });
        heap.clear();
        // One huge read must not hold its memory for the rest of the capture.
        if (heap.capacity() > 4 * full_heap)
            heap.shrink_to_fit();
        last_exit = 0, time_min = ~0ull, time_max = 0;
    }
};

EventWriter::EventWriter(StreamOutput &output, const Options &)
    : output_(output), columns_(std::make_unique<Columns>()), zstd_(ZSTD_createCCtx()) {
    ZSTD_CCtx_setParameter(zstd_.get(), ZSTD_c_compressionLevel, compression_level);
}

EventWriter::~EventWriter() = default;

void EventWriter::ZstdDeleter::operator()(ZSTD_CCtx_s *context) const { ZSTD_freeCCtx(context); }

void EventWriter::add_row(const rg_event &header, unsigned kind, unsigned flags, std::size_t segment_count) {
    Columns &c = *columns_;
    if (c.kind.empty())
        oldest_buffered_ns_ = header.exit;
    c.kind.push_back(static_cast<std::uint8_t>(kind));
    c.flags.push_back(static_cast<std::uint8_t>(flags));
    c.cpu.push_back(header.cpu);
    c.segment_count.push_back(static_cast<std::uint16_t>(segment_count));
    c.nr.push_back(header.nr);
    c.pid.push_back(header.pid);
    c.tid.push_back(header.tid);
    c.exit.push_back(header.exit - c.last_exit);
    c.duration.push_back(header.exit - header.enter);
    c.result.push_back(header.result);
    for (int i = 0; i < 6; i++)
        c.args[i].push_back(header.args[i]);
    c.last_exit = header.exit;
    c.time_min = std::min<std::uint64_t>(c.time_min, header.exit);
    c.time_max = std::max<std::uint64_t>(c.time_max, header.exit);
    next_seq_++;
}

void EventWriter::add_segment(const rg_segment &header, const unsigned char *bytes) {
    Columns &c = *columns_;
    c.segment_arg.push_back(header.arg);
    c.segment_flags.push_back(header.flags);
    c.segment_length.push_back(header.length);
    c.segment_full_length.push_back(header.full_length);
    c.segment_address.push_back(header.address);
    c.heap.insert(c.heap.end(), bytes, bytes + header.length);
}

void EventWriter::flush_if_full() {
    const Columns &c = *columns_;
    if (c.heap.size() >= full_heap || c.kind.size() >= full_events || c.segment_arg.size() >= full_segments)
        flush();
}

void EventWriter::add(const rg_event &record) {
    const auto *at = reinterpret_cast<const unsigned char *>(&record + 1);
    add_row(record, record.kind, record.flags, record.segment_count);
    for (unsigned i = 0; i < record.segment_count; i++) {
        rg_segment segment;
        std::memcpy(&segment, at, sizeof segment);
        add_segment(segment, at + sizeof segment);
        at += sizeof segment + (segment.length + 7) / 8 * 8;
    }
    flush_if_full();
}

void EventWriter::add(const rg_event &header, std::span<const SegmentView> segments) {
    add_rows(header, segments, header.kind, (header.flags & RG_MORE) != 0);
}

void EventWriter::add_data(const rg_event &header, std::span<const SegmentView> segments, bool more) {
    add_rows(header, segments, RG_DATA, more);
}

void EventWriter::add_rows(const rg_event &header, std::span<const SegmentView> segments, unsigned kind, bool more) {
    // Cut segments into pieces, and deal the pieces into rows of at most max_piece bytes.
    std::vector<SegmentView> row;
    std::size_t row_bytes = 0;
    auto write_row = [&](bool last) {
        bool row_more = more || !last;
        unsigned flags = (header.flags & ~RG_MORE) | (row_more ? RG_MORE : 0);
        add_row(header, kind, flags, row.size());
        for (const SegmentView &piece : row)
            add_segment(piece.header, piece.bytes);
        row.clear();
        row_bytes = 0;
        kind = RG_DATA;
        flush_if_full();
    };
    for (const SegmentView &segment : segments) {
        std::size_t offset = 0;
        do {
            SegmentView piece = segment;
            std::size_t left = segment.header.length - offset;
            std::size_t length = std::min(left, max_piece);
            piece.header.length = static_cast<std::uint32_t>(length);
            piece.header.address = segment.header.address + offset;
            // A cut by the snaplen belongs to the last piece.
            piece.header.full_length = length < left ? length : segment.header.full_length - offset;
            piece.bytes = segment.bytes + offset;
            if (!row.empty() && (row_bytes + length > max_piece || row.size() == full_segments - 1))
                write_row(false);
            row.push_back(piece);
            row_bytes += length;
            offset += length;
        } while (offset < segment.header.length);
    }
    write_row(true);
}

void EventWriter::flush() {
    Columns &c = *columns_;
    const std::size_t count = c.kind.size();
    if (count == 0)
        return;
    payload_.clear();
    append_number<std::uint32_t>(payload_, static_cast<std::uint32_t>(count));
    append_number<std::uint32_t>(payload_, static_cast<std::uint32_t>(c.segment_arg.size()));
    append_number<std::uint64_t>(payload_, c.heap.size());
    c.each_column([&](auto &column) { append_planes(payload_, column); });
    payload_.insert(payload_.end(), c.heap.begin(), c.heap.end());
    write_block(block_events, payload_, next_seq_ - count, static_cast<std::uint32_t>(count), c.time_min, c.time_max);
    c.clear();
    if (payload_.capacity() > 16 * full_heap)
        payload_.shrink_to_fit();
}

void EventWriter::flush_if_older(std::uint64_t now, std::uint64_t age_ns) {
    if (!columns_->kind.empty() && now > oldest_buffered_ns_ && now - oldest_buffered_ns_ > age_ns)
        flush();
}

void EventWriter::write_block(unsigned type, std::span<const unsigned char> raw, std::uint64_t first_seq,
                              std::uint32_t count, std::uint64_t time_min, std::uint64_t time_max) {
    stored_.resize(ZSTD_compressBound(raw.size()));
    std::size_t stored = ZSTD_compress2(zstd_.get(), stored_.data(), stored_.size(), raw.data(), raw.size());
    bool compressed = !ZSTD_isError(stored) && stored < raw.size();
    std::span<const unsigned char> payload =
        compressed ? std::span<const unsigned char>(stored_.data(), stored) : raw;

    BlockHeader header{};
    std::memcpy(header.magic, "RgBk", 4);
    header.type = static_cast<std::uint8_t>(type);
    header.codec = compressed ? 1 : 0;
    header.version = 1;
    header.stored_length = static_cast<std::uint32_t>(payload.size());
    header.raw_length = static_cast<std::uint32_t>(raw.size());
    header.first_seq = first_seq;
    header.count = count;
    header.payload_crc32 = crc_of(payload.data(), payload.size());
    header.time_min = time_min;
    header.time_max = time_max;
    header.index = block_index_++;
    header.header_crc32 = crc_of(&header, offsetof(BlockHeader, header_crc32));
    raw_bytes_ += raw.size();
    stored_bytes_ += sizeof header + payload.size();
    output_.write({reinterpret_cast<const unsigned char *>(&header), sizeof header}, payload);
}

void EventWriter::write_text(unsigned type, const std::string &text) {
    flush();
    write_block(type, {reinterpret_cast<const unsigned char *>(text.data()), text.size()}, next_seq_, 0, 0, 0);
}

void EventWriter::loss(std::uint64_t from_ns, std::uint64_t to_ns, const std::map<int, std::uint64_t> &by_syscall) {
    std::uint64_t lost = 0;
    JsonWriter json;
    json.begin_object().member("from_ns", from_ns).member("to_ns", to_ns).key("by_syscall").begin_object();
    for (auto [nr, count] : by_syscall) {
        json.member(std::to_string(nr), count);
        lost += count;
    }
    json.end_object().member("lost", lost).end_object();
    lost_ += lost;
    write_text(block_loss, json.text());
}

void EventWriter::snapshot(const std::string &payload) { write_text(block_snapshot, payload); }

void EventWriter::info(const std::string &json) { write_text(block_info, json); }

void EventWriter::end(const std::string &json) { write_text(block_end, json); }

} // namespace retrograde
