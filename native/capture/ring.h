// The consumer's end of one BPF ring buffer, read in place (Documentation/bpf/ringbuf.rst).
#pragma once

#include "base/unique_fd.h"
#include "wire.h"

#include <cstddef>

namespace retrograde {

class Ring {
  public:
    // Takes the ring's map; `size` is its data size, bytes. Throws Failure where it can't be mapped.
    Ring(int map_fd, std::size_t size);
    ~Ring();
    Ring(Ring &&other) noexcept;
    Ring(const Ring &) = delete;

    int map_fd() const { return map_.get(); }

    // The oldest record that has not been consumed, or null. It stays valid until consume().
    const rg_event *front();
    void consume();

    // Gives the consumed space back to the producer; once for many records, since the two share this cache line.
    void release();

    // Bytes that wait.
    std::size_t filled() const;

  private:
    UniqueFd map_;
    std::size_t size_;
    unsigned long *consumer_position_ = nullptr; // a page of its own, writable
    const unsigned long *producer_position_ = nullptr;
    const unsigned char *data_ = nullptr; // mapped twice in a row, so that a record never wraps
    unsigned long position_ = 0, producer_seen_ = 0, front_length_ = 0;
};

} // namespace retrograde
