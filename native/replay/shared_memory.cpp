#include "replay/shared_memory.h"

#include "base/failure.h"

#include <algorithm>
#include <atomic>
#include <sys/mman.h>
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
    if (size <= size_)
        return;
    if (::ftruncate(file_.get(), static_cast<off_t>(size)) != 0)
        throw system_failure("cannot make shared memory of " + std::to_string(size) + " bytes");
    size_ = size;
}

std::shared_ptr<SharedObject> SharedObject::copy() const {
    auto other = std::make_shared<SharedObject>(size_);
    // Holes stay holes.
    std::vector<char> buffer(1 << 20);
    off_t at = 0;
    const auto end = static_cast<off_t>(size_);
    while (at < end) {
        const off_t data = ::lseek(file_.get(), at, SEEK_DATA);
        if (data < 0)
            break;
        off_t hole = ::lseek(file_.get(), data, SEEK_HOLE);
        if (hole < 0)
            hole = end;
        for (at = data; at < hole;) {
            const ssize_t got = ::pread(file_.get(), buffer.data(),
                                        std::min<std::size_t>(buffer.size(), static_cast<std::size_t>(hole - at)), at);
            if (got <= 0 || ::pwrite(other->file_.get(), buffer.data(), static_cast<std::size_t>(got), at) != got)
                throw system_failure("cannot copy shared memory");
            at += got;
        }
    }
    return other;
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
