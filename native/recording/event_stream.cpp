#include "recording/event_stream.h"

#include "base/failure.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <zlib.h>
#include <zstd.h>

namespace retrograde {

namespace {

constexpr unsigned char stream_magic[8] = {0x89, 'R', 'G', 'T', 'R', '\r', '\n', 0x1a};
constexpr std::size_t stream_header = 16, block_header = 64;
constexpr std::uint32_t newest_version = 2;
constexpr std::uint32_t most_raw = 64u << 20;
constexpr std::size_t kept_blocks = 16;
enum BlockType { EVENTS = 1, SNAPSHOT = 2, INFO = 3, LOSS = 4, END = 5 };

template <typename T> T load(const unsigned char *at) {
    T value;
    std::memcpy(&value, at, sizeof value);
    return value;
}

bool read_at(int file, void *into, std::size_t length, std::uint64_t offset) {
    auto *at = static_cast<unsigned char *>(into);
    while (length > 0) {
        const ssize_t got = ::pread(file, at, length, static_cast<off_t>(offset));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        at += got;
        offset += static_cast<std::uint64_t>(got);
        length -= static_cast<std::size_t>(got);
    }
    return true;
}

std::uint32_t crc_of(const unsigned char *bytes, std::size_t length) {
    return static_cast<std::uint32_t>(::crc32(0, bytes, static_cast<uInt>(length)));
}

} // namespace

EventStream::EventStream(const std::string &folder) : folder_(folder) {
    for (unsigned number = 0;; number++) {
        char name[32];
        std::snprintf(name, sizeof name, "/events-%06u", number);
        // O_NONBLOCK: a pipe of that name is not waited for.
        UniqueFd file(::open((folder + name).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
        if (!file && errno == ENOENT && number > 0)
            break;
        if (!file && errno == ENOENT)
            throw Failure(folder + " holds no recording that can be replayed: there is no events-000000 in it",
                          exit_cannot);
        if (!file)
            throw system_failure(folder + name + " cannot be read");
        struct stat status {};
        if (::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode))
            throw Failure(folder + name + " is no regular file: there is no recording", exit_cannot);
        files_.push_back(std::move(file));
        if (damage_.empty())
            scan(files_.size() - 1);
    }
    if (damage_.empty() && end_.empty())
        damage_ = "it is cut off: it has no end";
}

void EventStream::scan(std::size_t number) {
    const int file = files_[number].get();
    unsigned char start[stream_header];
    if (!read_at(file, start, sizeof start, 0) || std::memcmp(start, stream_magic, sizeof stream_magic) != 0)
        throw Failure(folder_ + " is no recording: its stream does not begin as one");
    const auto version = load<std::uint32_t>(start + 8);
    if (version > newest_version)
        throw Failure(folder_ + " is a recording of format " + std::to_string(version) +
                          ", and this Retrograde reads formats up to " + std::to_string(newest_version),
                      exit_cannot);
    stamp_ = load<std::uint32_t>(start + 12);
    std::uint64_t offset = stream_header;
    for (;;) {
        unsigned char header[block_header];
        if (!read_at(file, header, sizeof header, offset)) {
            unsigned char byte;
            if (read_at(file, &byte, 1, offset))
                damage_ = "it is cut off";
            return;
        }
        if (std::memcmp(header, "RgBk", 4) != 0 || load<std::uint32_t>(header + 60) != crc_of(header, 60) ||
            load<std::uint32_t>(header + 56) != stamp_) {
            damage_ = "a block's header is damaged";
            return;
        }
        Place place{};
        place.file = number;
        place.offset = offset + block_header;
        place.codec = header[5];
        place.stored_length = load<std::uint32_t>(header + 8);
        place.raw_length = load<std::uint32_t>(header + 12);
        place.first_seq = load<std::uint64_t>(header + 16);
        place.count = load<std::uint32_t>(header + 24);
        place.crc = load<std::uint32_t>(header + 28);
        if (place.raw_length > most_raw || place.stored_length > 2 * most_raw ||
            load<std::uint64_t>(header + 48) != next_index_) {
            damage_ = "blocks are missing";
            return;
        }
        unsigned char last;
        if (place.stored_length > 0 && !read_at(file, &last, 1, place.offset + place.stored_length - 1)) {
            damage_ = "it is cut off";
            return;
        }
        next_index_++;
        if (header[4] == EVENTS) {
            if (place.first_seq != size_) {
                damage_ = "its beginning or a part of it is not there (a flight recorder keeps the latest part alone)";
                return;
            }
            size_ += place.count;
            places_.push_back(place);
        } else if (header[4] == INFO || header[4] == END) {
            const std::vector<unsigned char> text = payload(place);
            (header[4] == INFO ? info_ : end_).assign(text.begin(), text.end());
        } else if (header[4] == LOSS) {
            damage_ = "events were lost when it was made";
            return;
        }
        offset = place.offset + place.stored_length;
    }
}

std::vector<unsigned char> EventStream::payload(const Place &place) const {
    std::vector<unsigned char> stored(place.stored_length);
    const std::string where = folder_ + ": the block at byte " + std::to_string(place.offset - block_header);
    if (!read_at(files_[place.file].get(), stored.data(), stored.size(), place.offset))
        throw Failure(where + " cannot be read");
    if (crc_of(stored.data(), stored.size()) != place.crc)
        throw Failure(where + " is damaged");
    if (place.codec == 0)
        return stored;
    std::vector<unsigned char> raw(place.raw_length);
    const std::size_t got = ::ZSTD_decompress(raw.data(), raw.size(), stored.data(), stored.size());
    if (::ZSTD_isError(got) || got != raw.size())
        throw Failure(where + " is damaged");
    return raw;
}

std::shared_ptr<EventBlock> EventStream::block_of(std::uint64_t seq) {
    for (auto at = recent_.begin(); at != recent_.end(); ++at)
        if (seq >= (*at)->first_seq() && seq - (*at)->first_seq() < (*at)->size()) {
            recent_.splice(recent_.begin(), recent_, at);
            return recent_.front();
        }
    auto place = std::upper_bound(places_.begin(), places_.end(), seq,
                                  [](std::uint64_t s, const Place &candidate) { return s < candidate.first_seq; });
    if (place == places_.begin() || seq >= size_)
        throw Failure("there is no event " + std::to_string(seq) + ": the recording has " + std::to_string(size_));
    --place;
    auto block = std::make_shared<EventBlock>(payload(*place), place->first_seq);
    if (block->size() != place->count)
        throw Failure(folder_ + ": a block holds " + std::to_string(block->size()) + " events and its header says " +
                      std::to_string(place->count));
    recent_.push_front(std::move(block));
    if (recent_.size() > kept_blocks)
        recent_.pop_back();
    return recent_.front();
}

const Event &EventStream::operator[](std::uint64_t seq) {
    if (!current_ || seq < current_->first_seq() || seq - current_->first_seq() >= current_->size())
        current_ = block_of(seq).get();
    return (*current_)[seq - current_->first_seq()];
}

} // namespace retrograde
