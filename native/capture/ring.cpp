#include "capture/ring.h"

#include "base/failure.h"

#include <cstdint>
#include <fcntl.h>
#include <linux/bpf.h>
#include <sys/mman.h>
#include <unistd.h>
#include <utility>

namespace retrograde {

namespace {

const std::size_t page_size = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));

} // namespace

Ring::Ring(int map_fd, std::size_t size) : map_(::fcntl(map_fd, F_DUPFD_CLOEXEC, 3)), size_(size) {
    void *consumer = ::mmap(nullptr, page_size, PROT_READ | PROT_WRITE, MAP_SHARED, map_fd, 0);
    if (consumer == MAP_FAILED)
        throw system_failure("cannot map the ring's consumer page");
    consumer_position_ = static_cast<unsigned long *>(consumer);
    void *producer =
        ::mmap(nullptr, page_size + 2 * size, PROT_READ, MAP_SHARED, map_fd, static_cast<off_t>(page_size));
    if (producer == MAP_FAILED)
        throw system_failure("cannot map the ring's data");
    producer_position_ = static_cast<const unsigned long *>(producer);
    data_ = static_cast<const unsigned char *>(producer) + page_size;
    // A fork would copy the page tables, thousands of entries; and no child of ours has to do with rings.
    ::madvise(consumer, page_size, MADV_DONTFORK);
    ::madvise(producer, page_size + 2 * size, MADV_DONTFORK);
}

Ring::Ring(Ring &&other) noexcept
    : map_(std::move(other.map_)), size_(other.size_),
      consumer_position_(std::exchange(other.consumer_position_, nullptr)),
      producer_position_(std::exchange(other.producer_position_, nullptr)), data_(other.data_),
      position_(other.position_), producer_seen_(other.producer_seen_), front_length_(other.front_length_) {}

Ring::~Ring() {
    if (consumer_position_)
        ::munmap(consumer_position_, page_size);
    if (producer_position_)
        ::munmap(const_cast<unsigned long *>(producer_position_), page_size + 2 * size_);
}

const rg_event *Ring::front() {
    for (;;) {
        if (position_ >= producer_seen_) {
            producer_seen_ = __atomic_load_n(producer_position_, __ATOMIC_ACQUIRE);
            if (position_ >= producer_seen_)
                return nullptr;
        }
        const auto *header = reinterpret_cast<const std::uint32_t *>(data_ + (position_ & (size_ - 1)));
        std::uint32_t length = __atomic_load_n(header, __ATOMIC_ACQUIRE);
        if (length & BPF_RINGBUF_BUSY_BIT)
            return nullptr; // being written: it is there at once
        front_length_ = ((length & ~BPF_RINGBUF_DISCARD_BIT) + BPF_RINGBUF_HDR_SZ + 7) / 8 * 8;
        if (!(length & BPF_RINGBUF_DISCARD_BIT))
            return reinterpret_cast<const rg_event *>(reinterpret_cast<const unsigned char *>(header) +
                                                      BPF_RINGBUF_HDR_SZ);
        position_ += front_length_;
    }
}

void Ring::consume() {
    position_ += front_length_;
}

void Ring::release() {
    __atomic_store_n(consumer_position_, position_, __ATOMIC_RELEASE);
}

std::size_t Ring::filled() const {
    return __atomic_load_n(producer_position_, __ATOMIC_ACQUIRE) - position_;
}

} // namespace retrograde
