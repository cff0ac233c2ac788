#include "replay/shared_memory.h"

#include "base/failure.h"

#include <algorithm>
#include <atomic>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <vector>

namespace retrograde {

namespace {

std::atomic<unsigned> made = 0;

} // namespace

std::string file_key(const std::string &device, std::uint64_t inode) {
    return inode == 0 ? "" : "file " + device + " " + std::to_string(inode);
}

SharedObject::SharedObject(std::uint64_t size) : name_("retrograde-shared-" + std::to_string(made++)) {
    file_.reset(::memfd_create(name_.c_str(), MFD_CLOEXEC));
    if (!file_)
        throw system_failure("cannot make memory that replayed processes share");
    grow(size);
}

std::string SharedObject::path() const {
    return "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(file_.get());
}

void SharedObject::grow(std::uint64_t size) {
    if (size > size_)
        resize(size);
}

void SharedObject::resize(std::uint64_t size) {
    if (::ftruncate(file_.get(), static_cast<off_t>(size)) != 0)
        throw system_failure("cannot make shared memory of " + std::to_string(size) + " bytes");
    size_ = size;
}

std::shared_ptr<SharedObject> SharedObject::copy() const {
    auto other = std::make_shared<SharedObject>(size_);
    other->fill_from(file_.get());
    return other;
}

// Holes stay holes.
void SharedObject::fill_from(int file) {
    std::vector<char> buffer(1 << 20);
    off_t at = 0;
    const auto end = static_cast<off_t>(size_);
    while (at < end) {
        const off_t data = ::lseek(file, at, SEEK_DATA);
        if (data < 0)
            break;
        off_t hole = ::lseek(file, data, SEEK_HOLE);
        if (hole < 0 || hole > end)
            hole = end;
        for (at = data; at < hole;) {
            const std::size_t wanted = std::min<std::size_t>(buffer.size(), static_cast<std::size_t>(hole - at));
            const ssize_t got = ::pread(file, buffer.data(), wanted, at);
            if (got <= 0 || ::pwrite(file_.get(), buffer.data(), static_cast<std::size_t>(got), at) != got)
                throw system_failure("cannot copy shared memory");
            at += got;
        }
    }
}

void SharedObject::write(std::uint64_t offset, std::span<const unsigned char> bytes) {
    if (offset >= size_)
        return;
    bytes = bytes.first(static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), size_ - offset)));
    while (!bytes.empty()) {
        const ssize_t put = ::pwrite(file_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
        if (put <= 0)
            throw system_failure("cannot write shared memory");
        offset += static_cast<std::uint64_t>(put);
        bytes = bytes.subspan(static_cast<std::size_t>(put));
    }
}

void SharedObject::clear(std::uint64_t offset, std::uint64_t length) {
    if (offset >= size_ || length == 0)
        return;
    length = std::min(length, size_ - offset);
    if (::fallocate(file_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
                    static_cast<off_t>(length)) != 0)
        throw system_failure("cannot clear shared memory");
}

std::shared_ptr<SharedObject> SharedMemory::of_file(const RecordedFile &file, int images, bool &is_new) {
    if (auto known = by_key.find(file.key); known != by_key.end()) {
        const auto object = known->second;
        is_new = !is_mapped || !is_mapped(object->name());
        if (!is_new)
            return object;
        by_name.erase(object->name());
        by_key.erase(known);
    }
    is_new = true;
    if (file.image.empty())
        return get(file.key, file.size);
    const UniqueFd image(::openat(images, file.image.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    struct stat status {};
    if (!image || ::fstat(image.get(), &status) != 0 || !S_ISREG(status.st_mode))
        throw system_failure("cannot map the image " + file.image, errno, exit_cannot);
    const auto object = get(file.key, static_cast<std::uint64_t>(status.st_size));
    object->fill_from(image.get());
    return object;
}

std::shared_ptr<SharedObject> SharedMemory::get(const std::string &key, std::uint64_t size) {
    if (!key.empty())
        if (auto known = by_key.find(key); known != by_key.end()) {
            known->second->grow(size);
            return known->second;
        }
    auto object = std::make_shared<SharedObject>(size);
    by_name[object->name()] = object;
    if (!key.empty())
        by_key[key] = object;
    return object;
}

SharedMemory SharedMemory::copy(std::map<std::string, std::shared_ptr<SharedObject>> &renamed) const {
    SharedMemory other;
    other.written = written;
    other.receiver = receiver;
    other.is_mapped = is_mapped;
    for (const auto &[name, object] : by_name) {
        auto twin = object->copy();
        renamed[name] = twin;
        other.by_name[twin->name()] = twin;
    }
    for (const auto &[key, object] : by_key)
        other.by_key[key] = renamed.at(object->name());
    return other;
}

} // namespace retrograde
