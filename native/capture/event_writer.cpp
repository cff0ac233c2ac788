#include "capture/event_writer.h"

#include "base/failure.h"
#include "base/json.h"

#include <algorithm>
#include <csignal>
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
    std::uint32_t stamp, header_crc32;
};
static_assert(sizeof(BlockHeader) == 64);

enum BlockType : unsigned { block_events = 1, block_snapshot = 2, block_info = 3, block_loss = 4, block_end = 5 };

// A block is written when it holds this much. Small enough that a crash costs little and that a reader holds little,
// large enough that the compressor sees the repetition.
constexpr std::size_t full_bytes = 2 << 20;
constexpr std::size_t full_events = 16384;
constexpr std::size_t max_piece = 1 << 20;
constexpr std::size_t max_row_segments = 32768;
constexpr int compression_level = 1;

// Batches that may wait to be written. Then the caller has to wait, and with it, in replay grade, the target.
constexpr std::size_t max_jobs = 24;

// Where the size on disk is bounded, what waits to be written must be little beside the bound.
std::size_t jobs_for(const Options &options) {
    const std::uint64_t bound = options.last_bytes ? options.last_bytes : options.max_size;
    return bound ? std::clamp<std::size_t>(bound / 8 / full_bytes, 1, max_jobs) : max_jobs;
}

std::uint32_t crc_of(const void *bytes, std::size_t length) {
    return static_cast<std::uint32_t>(crc32_z(0, static_cast<const Bytef *>(bytes), length));
}

template <typename T> void append_planes(std::vector<unsigned char> &out, const std::vector<T> &column) {
    const std::size_t count = column.size(), base = out.size();
    out.resize(base + count * sizeof(T));
    unsigned char *planes = out.data() + base;
    for (std::size_t plane = 0; plane < sizeof(T); plane++)
        for (std::size_t i = 0; i < count; i++)
            planes[plane * count + i] =
                static_cast<unsigned char>(static_cast<std::make_unsigned_t<T>>(column[i]) >> (8 * plane));
}

template <typename T> void append_number(std::vector<unsigned char> &out, T number) {
    for (std::size_t i = 0; i < sizeof(T); i++)
        out.push_back(static_cast<unsigned char>(number >> (8 * i)));
}

} // namespace

// Makes blocks and writes them.
class EventWriter::Encoder {
  public:
    explicit Encoder(StreamOutput &output) : output_(output), zstd_(ZSTD_createCCtx()) {
        ZSTD_CCtx_setParameter(zstd_.get(), ZSTD_c_compressionLevel, compression_level);
    }

    void write(const Job &job) {
        if (job.type == block_events)
            write_events(job);
        else
            write_block(job.type, job.bytes, job.first_seq, 0, 0, 0);
    }

    std::uint64_t raw_bytes = 0, stored_bytes = 0;

  private:
    struct Columns {
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

        template <typename Visitor> void each_event_column(Visitor visit) {
            visit(kind), visit(flags), visit(cpu), visit(segment_count), visit(nr), visit(pid), visit(tid), visit(exit);
            visit(duration), visit(result);
            for (auto &column : args)
                visit(column);
        }
        template <typename Visitor> void each_segment_column(Visitor visit) {
            visit(segment_arg), visit(segment_flags), visit(segment_length), visit(segment_full_length);
            visit(segment_address);
        }
    };

    void write_events(const Job &job) {
        Columns &c = columns_;
        const std::size_t count = job.rows;
        c.each_event_column([count](auto &column) { column.resize(count); });
        c.each_segment_column([](auto &column) { column.clear(); });
        heap_.clear();
        std::uint64_t last_exit = 0, time_min = ~0ull, time_max = 0;
        const unsigned char *at = job.bytes.data();
        for (std::size_t row = 0; row < count; row++) {
            rg_event event;
            std::memcpy(&event, at, sizeof event);
            at += sizeof event;
            c.kind[row] = event.kind;
            c.flags[row] = event.flags;
            c.cpu[row] = event.cpu;
            c.segment_count[row] = event.segment_count;
            c.nr[row] = event.nr;
            c.pid[row] = event.pid;
            c.tid[row] = event.tid;
            c.exit[row] = event.exit - last_exit;
            c.duration[row] = event.exit - event.enter;
            c.result[row] = event.result;
            for (int i = 0; i < 6; i++)
                c.args[i][row] = event.args[i];
            last_exit = event.exit;
            time_min = std::min<std::uint64_t>(time_min, event.exit);
            time_max = std::max<std::uint64_t>(time_max, event.exit);
            for (unsigned i = 0; i < event.segment_count; i++) {
                rg_segment segment;
                std::memcpy(&segment, at, sizeof segment);
                at += sizeof segment;
                c.segment_arg.push_back(segment.arg);
                c.segment_flags.push_back(segment.flags);
                c.segment_length.push_back(segment.length);
                c.segment_full_length.push_back(segment.full_length);
                c.segment_address.push_back(segment.address);
                heap_.insert(heap_.end(), at, at + segment.length);
                at += (segment.length + 7u) / 8 * 8;
            }
        }
        payload_.clear();
        append_number<std::uint32_t>(payload_, job.rows);
        append_number<std::uint32_t>(payload_, static_cast<std::uint32_t>(c.segment_arg.size()));
        append_number<std::uint64_t>(payload_, heap_.size());
        auto append = [this](auto &column) { append_planes(payload_, column); };
        c.each_event_column(append);
        c.each_segment_column(append);
        payload_.insert(payload_.end(), heap_.begin(), heap_.end());
        write_block(block_events, payload_, job.first_seq, job.rows, time_min, time_max);
    }

    void write_block(unsigned type, std::span<const unsigned char> raw, std::uint64_t first_seq, std::uint32_t count,
                     std::uint64_t time_min, std::uint64_t time_max) {
        stored_.resize(ZSTD_compressBound(raw.size()));
        std::size_t stored = ZSTD_compress2(zstd_.get(), stored_.data(), stored_.size(), raw.data(), raw.size());
        bool compressed = !ZSTD_isError(stored) && stored < raw.size();
        std::span<const unsigned char> payload =
            compressed ? std::span<const unsigned char>(stored_.data(), stored) : raw;

        BlockHeader header{};
        std::memcpy(header.magic, "RgBk", 4);
        header.type = static_cast<std::uint8_t>(type);
        header.codec = compressed ? 1 : 0;
        header.version = stream_version;
        header.stored_length = static_cast<std::uint32_t>(payload.size());
        header.raw_length = static_cast<std::uint32_t>(raw.size());
        header.first_seq = first_seq;
        header.count = count;
        header.payload_crc32 = crc_of(payload.data(), payload.size());
        header.time_min = time_min;
        header.time_max = time_max;
        header.index = block_index_++;
        header.stamp = output_.stamp();
        header.header_crc32 = crc_of(&header, offsetof(BlockHeader, header_crc32));
        raw_bytes += raw.size();
        stored_bytes += sizeof header + payload.size();
        output_.write({reinterpret_cast<const unsigned char *>(&header), sizeof header}, payload);
    }

    struct ZstdDeleter {
        void operator()(ZSTD_CCtx *context) const { ZSTD_freeCCtx(context); }
    };
    StreamOutput &output_;
    Columns columns_;
    std::vector<unsigned char> heap_, payload_, stored_;
    std::unique_ptr<ZSTD_CCtx, ZstdDeleter> zstd_;
    std::uint64_t block_index_ = 0;
};

EventWriter::EventWriter(StreamOutput &output, const Options &options)
    : max_jobs_(jobs_for(options)), encoder_(std::make_unique<Encoder>(output)) {
    // Signals are the main thread's.
    sigset_t all, before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, &before);
    thread_ = std::thread([this] { work(); });
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

EventWriter::~EventWriter() {
    {
        std::lock_guard lock(mutex_);
        stop_ = true;
    }
    work_came_.notify_all();
    thread_.join();
}

void EventWriter::work() {
    std::unique_lock lock(mutex_);
    for (;;) {
        work_came_.wait(lock, [this] { return stop_ || !jobs_.empty(); });
        if (jobs_.empty())
            return;
        Job job = std::move(jobs_.front());
        jobs_.pop_front();
        const bool failed = failure_ != nullptr;
        busy_ = true;
        lock.unlock();
        std::exception_ptr failure;
        try {
            if (!failed)
                encoder_->write(job);
        } catch (...) {
            failure = std::current_exception();
        }
        raw_bytes_ = encoder_->raw_bytes;
        stored_bytes_ = encoder_->stored_bytes;
        lock.lock();
        busy_ = false;
        if (failure)
            failure_ = failure;
        job.bytes.clear();
        // One huge event must not hold its memory for the rest of the capture.
        if (spare_.size() < 4 && job.bytes.capacity() <= 2 * full_bytes)
            spare_.push_back(std::move(job.bytes));
        work_done_.notify_all();
    }
}

void EventWriter::hand_over(Job job) {
    std::unique_lock lock(mutex_);
    work_done_.wait(lock, [this] { return failure_ || jobs_.size() < max_jobs_; });
    if (failure_)
        std::rethrow_exception(failure_);
    jobs_.push_back(std::move(job));
    work_came_.notify_one();
    if (!spare_.empty()) {
        batch_.swap(spare_.back());
        spare_.pop_back();
    }
}

void EventWriter::sync() {
    flush();
    std::unique_lock lock(mutex_);
    work_done_.wait(lock, [this] { return jobs_.empty() && !busy_; });
    if (failure_)
        std::rethrow_exception(failure_);
}

void EventWriter::append(const void *bytes, std::size_t length) {
    const auto *from = static_cast<const unsigned char *>(bytes);
    batch_.insert(batch_.end(), from, from + length);
}

void EventWriter::row_added(std::uint64_t exit_ns) {
    if (batch_rows_++ == 0)
        oldest_buffered_ns_ = exit_ns;
    next_seq_++;
    if (batch_rows_ >= full_events || batch_.size() >= full_bytes)
        flush();
}

void EventWriter::note_success(const rg_event &event) {
    if (event.kind == RG_SYSCALL && event.result >= 0 && !(event.flags & RG_COMPAT) && event.nr >= 0 &&
        event.nr < RG_MAX_SYSCALLS)
        succeeded_.set(static_cast<std::size_t>(event.nr));
}

void EventWriter::add(const rg_event &record) {
    note_success(record);
    append(&record, record.size);
    row_added(record.exit);
}

void EventWriter::add(const rg_event &header, std::span<const SegmentView> segments) {
    note_success(header);
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
        rg_event event = header;
        event.kind = static_cast<__u8>(kind);
        event.flags = static_cast<__u8>((header.flags & ~RG_MORE) | (more || !last ? RG_MORE : 0));
        event.segment_count = static_cast<__u16>(row.size());
        append(&event, sizeof event);
        for (const SegmentView &piece : row) {
            static constexpr unsigned char padding[8] = {};
            append(&piece.header, sizeof piece.header);
            append(piece.bytes, piece.header.length);
            append(padding, -piece.header.length & 7);
        }
        row.clear();
        row_bytes = 0;
        kind = RG_DATA;
        row_added(event.exit);
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
            if (!row.empty() && (row_bytes + length > max_piece || row.size() == max_row_segments))
                write_row(false);
            row.push_back(piece);
            row_bytes += length;
            offset += length;
        } while (offset < segment.header.length);
    }
    write_row(true);
}

void EventWriter::flush() {
    if (batch_rows_ == 0)
        return;
    Job job{block_events, std::move(batch_), batch_rows_, next_seq_ - batch_rows_};
    batch_ = {};
    batch_rows_ = 0;
    hand_over(std::move(job));
}

void EventWriter::flush_if_older(std::uint64_t now, std::uint64_t age_ns) {
    if (batch_rows_ != 0 && now > oldest_buffered_ns_ && now - oldest_buffered_ns_ > age_ns)
        flush();
}

void EventWriter::write_text(unsigned type, const std::string &text) {
    flush();
    hand_over({type, std::vector<unsigned char>(text.begin(), text.end()), 0, next_seq_});
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

void EventWriter::snapshot(const std::string &payload) {
    write_text(block_snapshot, payload);
}

void EventWriter::info(const std::string &json) {
    write_text(block_info, json);
}

void EventWriter::end(const std::string &json) {
    write_text(block_end, json);
}

} // namespace retrograde
