// Writes events as blocks of the recording format: columns as byte planes, zstd, checksums. The caller's thread only
// gathers them; a thread of its own makes, compresses and writes the blocks, so that the rings are drained meanwhile.
#pragma once

#include "capture/options.h"
#include "capture/stream_output.h"

#include <atomic>
#include <bitset>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

namespace retrograde {

// One piece of memory of an event.
struct SegmentView {
    rg_segment header; // length is the size of bytes
    const unsigned char *bytes;
};

class EventWriter {
  public:
    EventWriter(StreamOutput &output, const Options &options);
    ~EventWriter(); // does not write what is still buffered
    EventWriter(const EventWriter &) = delete;

    // Adds an event in the wire form of wire.h, its segments behind it. `record.size` must have been checked.
    void add(const rg_event &record);

    // Adds an event whose segments lie elsewhere. Segments of more than 1 MiB are split (consecutive addresses), and
    // an event of more than 1 MiB goes into several rows (flag MORE, kind DATA), so that blocks stay small.
    void add(const rg_event &header, std::span<const SegmentView> segments);

    // Adds further segments to the event of `header` that was added last with the flag RG_MORE set; `more` says whether
    // still others will follow. For memory too large to be held at once.
    void add_data(const rg_event &header, std::span<const SegmentView> segments, bool more);

    // Hands over what is buffered, to be written as a block.
    void flush();

    // Waits until all that was handed over is written. Throws what writing threw, as every other function here may.
    void sync();

    // Flushes if the buffered events are older than `age_ns`.
    void flush_if_older(std::uint64_t now_ns, std::uint64_t age_ns);

    void loss(std::uint64_t from_ns, std::uint64_t to_ns, const std::map<int, std::uint64_t> &by_syscall);
    void snapshot(const std::string &payload);
    void info(const std::string &json);
    void end(const std::string &json);

    // The calls that were made and did not fail, by number.
    const std::bitset<RG_MAX_SYSCALLS> &succeeded() const { return succeeded_; }
    std::uint64_t events() const { return next_seq_; }
    std::uint64_t lost() const { return lost_; }
    std::uint64_t raw_bytes() const { return raw_bytes_; }
    std::uint64_t stored_bytes() const { return stored_bytes_; }

  private:
    void note_success(const rg_event &event);
    struct Job {
        unsigned type;
        std::vector<unsigned char> bytes; // events in wire form, or text
        std::uint32_t rows;
        std::uint64_t first_seq;
    };
    class Encoder;
    void add_rows(const rg_event &header, std::span<const SegmentView> segments, unsigned kind, bool more);
    void append(const void *bytes, std::size_t length);
    void row_added(std::uint64_t exit_ns);
    void hand_over(Job job);
    void write_text(unsigned type, const std::string &text);
    void work();

    std::vector<unsigned char> batch_; // events in wire form
    std::uint32_t batch_rows_ = 0;
    std::bitset<RG_MAX_SYSCALLS> succeeded_;
    const std::size_t max_jobs_;
    std::uint64_t next_seq_ = 0, lost_ = 0, oldest_buffered_ns_ = 0;
    std::atomic<std::uint64_t> raw_bytes_ = 0, stored_bytes_ = 0;

    std::unique_ptr<Encoder> encoder_; // the thread's own
    std::mutex mutex_;
    std::condition_variable work_came_, work_done_;
    std::deque<Job> jobs_;
    std::vector<std::vector<unsigned char>> spare_; // buffers to use again
    std::exception_ptr failure_;
    bool busy_ = false, stop_ = false;
    std::thread thread_;
};

} // namespace retrograde
