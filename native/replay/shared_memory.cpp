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

std::shared_ptr<SharedObject> SharedMemory::get_file(const std::string &key, int folder, const std::string &name) {
    if (auto known = by_key.find(key); known != by_key.end())
        return known->second;
    const UniqueFd file(::openat(folder, name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    struct stat status {};
    if (!file || ::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode))
        throw system_failure("cannot map the image " + name, errno, exit_cannot);
    const auto object = get(key, static_cast<std::uint64_t>(status.st_size));
    object->fill_from(file.get());
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
