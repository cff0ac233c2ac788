#include "recording/event_block.h"

#include "base/failure.h"

#include <cstring>
#include <string>

namespace retrograde {

namespace {

constexpr std::size_t counts_size = 16;
constexpr std::size_t event_width = 1 + 1 + 2 + 2 + 4 + 4 + 4 + 8 + 8 + 8 + 6 * 8;
constexpr std::size_t segment_width = 1 + 1 + 4 + 8 + 8;

template <typename T> T load(const unsigned char *at) {
    T value;
    std::memcpy(&value, at, sizeof value);
    return value;
}

// Takes one column after the other; each is stored as byte planes.
class Columns {
  public:
    explicit Columns(const unsigned char *at) : at_(at) {}

    template <typename T> std::vector<T> take(std::size_t rows) {
        std::vector<T> values(rows, 0);
        for (std::size_t plane = 0; plane < sizeof(T); plane++, at_ += rows)
            for (std::size_t row = 0; row < rows; row++)
                values[row] |= static_cast<T>(static_cast<T>(at_[row]) << (8 * plane));
        return values;
    }
    const unsigned char *at() const { return at_; }

  private:
    const unsigned char *at_;
};

[[noreturn]] void contradiction(const std::string &what) {
    throw Failure("the recording is damaged: " + what);
}

} // namespace

EventBlock::EventBlock(std::vector<unsigned char> payload, std::uint64_t first_seq)
    : payload_(std::move(payload)), first_seq_(first_seq) {
    if (payload_.size() < counts_size)
        contradiction("an events block of " + std::to_string(payload_.size()) + " bytes");
    const std::size_t count = load<std::uint32_t>(payload_.data());
    const std::size_t segment_total = load<std::uint32_t>(payload_.data() + 4);
    const std::uint64_t heap_length = load<std::uint64_t>(payload_.data() + 8);
    const std::size_t fixed = counts_size + count * event_width + segment_total * segment_width;
    if (heap_length > payload_.size() || fixed + heap_length != payload_.size())
        contradiction("the counts of an events block do not fit its length");

    Columns columns(payload_.data() + counts_size);
    const auto kind = columns.take<std::uint8_t>(count), flags = columns.take<std::uint8_t>(count);
    const auto cpu = columns.take<std::uint16_t>(count), segment_count = columns.take<std::uint16_t>(count);
    const auto nr = columns.take<std::uint32_t>(count), pid = columns.take<std::uint32_t>(count),
               tid = columns.take<std::uint32_t>(count);
    const auto exit = columns.take<std::uint64_t>(count), duration = columns.take<std::uint64_t>(count),
               result = columns.take<std::uint64_t>(count);
    std::array<std::vector<std::uint64_t>, 6> args;
    for (auto &column : args)
        column = columns.take<std::uint64_t>(count);
    const auto seg_arg = columns.take<std::uint8_t>(segment_total),
               seg_flags = columns.take<std::uint8_t>(segment_total);
    const auto seg_length = columns.take<std::uint32_t>(segment_total);
    const auto seg_full = columns.take<std::uint64_t>(segment_total),
               seg_address = columns.take<std::uint64_t>(segment_total);

    const unsigned char *heap = columns.at();
    std::uint64_t used = 0;
    segments_.reserve(segment_total);
    for (std::size_t i = 0; i < segment_total; i++) {
        if (seg_length[i] > heap_length - used)
            contradiction("the segments of an events block are longer than its heap");
        segments_.push_back({seg_arg[i], seg_flags[i], seg_address[i], seg_full[i], {heap + used, seg_length[i]}});
        used += seg_length[i];
    }
    std::size_t next_segment = 0;
    std::uint64_t time = 0;
    events_.reserve(count);
    for (std::size_t i = 0; i < count; i++) {
        if (segment_count[i] > segment_total - next_segment)
            contradiction("the events of a block have more segments than it holds");
        time += exit[i];
        Event event{};
        event.seq = first_seq + i;
        event.kind = kind[i];
        event.flags = flags[i];
        event.cpu = cpu[i];
        event.nr = static_cast<std::int32_t>(nr[i]);
        event.pid = pid[i];
        event.tid = tid[i];
        event.enter = time - duration[i];
        event.exit = time;
        event.result = static_cast<std::int64_t>(result[i]);
        for (std::size_t arg = 0; arg < 6; arg++)
            event.args[arg] = args[arg][i];
        event.segments = {segments_.data() + next_segment, segment_count[i]};
        next_segment += segment_count[i];
        events_.push_back(event);
    }
}

} // namespace retrograde
