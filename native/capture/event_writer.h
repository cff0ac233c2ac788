// Writes events as blocks of the recording format: columns as byte planes, zstd, checksums.
#pragma once

#include "capture/options.h"
#include "capture/stream_output.h"

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

struct ZSTD_CCtx_s;

namespace retrograde {

// One piece of memory of an event.
struct SegmentView {
    rg_segment header; // length is the size of bytes
    const unsigned char *bytes;
};

class EventWriter {
  public:
    EventWriter(StreamOutput &output, const Options &options);
    ~EventWriter();
    EventWriter(const EventWriter &) = delete;

    // Adds an event in the wire form of wire.h, its segments behind it. `record.size` must have been checked.
    void add(const rg_event &record);

    // Adds an event whose segments lie elsewhere. Segments of more than 1 MiB are split (consecutive addresses), and
    // an event of more than 1 MiB goes into several rows (flag MORE, kind DATA), so that blocks stay small.
    void add(const rg_event &header, std::span<const SegmentView> segments);

    // Adds further segments to the event of `header` that was added last with the flag RG_MORE set; `more` says whether
    // still others will follow. For memory too large to be held at once.
    void add_data(const rg_event &header, std::span<const SegmentView> segments, bool more);

    // Writes what is buffered as a block.
    void flush();

    // Flushes if the buffered events are older than `age_ns`.
    void flush_if_older(std::uint64_t now_ns, std::uint64_t age_ns);

    void loss(std::uint64_t from_ns, std::uint64_t to_ns, const std::map<int, std::uint64_t> &by_syscall);
    void snapshot(const std::string &payload);
    void info(const std::string &json);
    void end(const std::string &json);

    std::uint64_t events() const { return next_seq_; }
    std::uint64_t lost() const { return lost_; }
    std::uint64_t raw_bytes() const { return raw_bytes_; }
    std::uint64_t stored_bytes() const { return stored_bytes_; }

  private:
    struct Columns;
    struct ZstdDeleter {
        void operator()(ZSTD_CCtx_s *context) const;
    };
    void add_rows(const rg_event &header, std::span<const SegmentView> segments, unsigned kind, bool more);
    void add_row(const rg_event &header, unsigned kind, unsigned flags, std::size_t segment_count);
    void add_segment(const rg_segment &header, const unsigned char *bytes);
    void flush_if_full();
    void write_block(unsigned type, std::span<const unsigned char> raw, std::uint64_t first_seq, std::uint32_t count,
                     std::uint64_t time_min, std::uint64_t time_max);

    void write_text(unsigned type, const std::string &text);

    StreamOutput &output_;
    std::unique_ptr<Columns> columns_;
    std::unique_ptr<ZSTD_CCtx_s, ZstdDeleter> zstd_;
    std::vector<unsigned char> payload_, stored_;
    std::uint64_t next_seq_ = 0, block_index_ = 0, lost_ = 0, raw_bytes_ = 0, stored_bytes_ = 0;
    std::uint64_t oldest_buffered_ns_ = 0;
};

} // namespace retrograde
