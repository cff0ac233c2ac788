#include "capture/images.h"

#include "base/clock.h"
#include "base/failure.h"

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <memory>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <vector>

#define XXH_INLINE_ALL
#include <xxhash.h>

#ifndef OVERLAYFS_SUPER_MAGIC
#define OVERLAYFS_SUPER_MAGIC 0x794c7630
#endif

namespace retrograde {

namespace {

constexpr std::int64_t second = 1'000'000'000;
constexpr off_t largest = 1 << 30; // docs/reference/recording-format.md
constexpr std::size_t buffer_size = 1 << 20;

// These show another device in /proc/PID/maps than stat(2) does.
bool has_devices_of_its_own(int file) {
    struct statfs system {};
    return ::fstatfs(file, &system) == 0 && (static_cast<unsigned long>(system.f_type) == BTRFS_SUPER_MAGIC ||
                                             static_cast<unsigned long>(system.f_type) == OVERLAYFS_SUPER_MAGIC);
}

bool is_file_of(int file, const Mapping &mapping) {
    struct stat status {};
    if (::fstat(file, &status) != 0 || status.st_ino != mapping.inode)
        return false;
    return status.st_dev == ::makedev(mapping.major, mapping.minor) || has_devices_of_its_own(file);
}

// A handle that does not open the file: O_PATH.
UniqueFd find_mapped_file(pid_t pid, const Mapping &mapping) {
    const std::string process = "/proc/" + std::to_string(pid);
    char range[64];
    std::snprintf(range, sizeof range, "/map_files/%llx-%llx", static_cast<unsigned long long>(mapping.whole_start),
                  static_cast<unsigned long long>(mapping.whole_end));
    // Exact, whatever has become of the path; takes a privilege (CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE).
    UniqueFd file(::open((process + range).c_str(), O_PATH | O_CLOEXEC));
    if (file)
        return file;
    for (const std::string &path : {process + "/root" + mapping.path, process + "/exe"}) {
        file.reset(::open(path.c_str(), O_PATH | O_CLOEXEC));
        if (file && is_file_of(file.get(), mapping))
            return file;
    }
    return UniqueFd();
}

void write_all(int file, const unsigned char *bytes, std::size_t length, const std::string &name) {
    while (length > 0) {
        const ssize_t written = ::write(file, bytes, length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            throw system_failure("cannot write " + name);
        bytes += written;
        length -= static_cast<std::size_t>(written);
    }
}

struct HashDeleter {
    void operator()(XXH3_state_t *state) const { XXH3_freeState(state); }
};

// Reads the whole of a file, and writes it where `to` is valid. Returns its hash, or nothing where reading fails.
std::string hash(int from, int to, const std::string &name) {
    std::unique_ptr<XXH3_state_t, HashDeleter> state(XXH3_createState());
    XXH3_128bits_reset(state.get());
    std::vector<unsigned char> buffer(buffer_size);
    for (off_t offset = 0;;) {
        const ssize_t got = ::pread(from, buffer.data(), buffer.size(), offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return "";
        if (got == 0)
            break;
        XXH3_128bits_update(state.get(), buffer.data(), static_cast<std::size_t>(got));
        if (to >= 0)
            write_all(to, buffer.data(), static_cast<std::size_t>(got), name);
        offset += got;
    }
    const XXH128_hash_t value = XXH3_128bits_digest(state.get());
    char text[33];
    std::snprintf(text, sizeof text, "%016llx%016llx", static_cast<unsigned long long>(value.high64),
                  static_cast<unsigned long long>(value.low64));
    return text;
}

} // namespace

bool stat_mapped_file(pid_t pid, const Mapping &mapping, struct stat &status) {
    const UniqueFd file = find_mapped_file(pid, mapping);
    return file && ::fstat(file.get(), &status) == 0;
}

// By its path: the kernel has mapped the file that it has found below (fs/overlayfs/file.c).
bool is_on_overlay(pid_t pid, const Mapping &mapping) {
    struct statfs system {};
    const std::string path = "/proc/" + std::to_string(pid) + "/root" + mapping.path;
    return mapping.has_file() && ::statfs(path.c_str(), &system) == 0 &&
           static_cast<unsigned long>(system.f_type) == OVERLAYFS_SUPER_MAGIC;
}

UniqueFd open_mapped_file(pid_t pid, const Mapping &mapping) {
    const UniqueFd file = find_mapped_file(pid, mapping);
    struct stat status {};
    if (!file || ::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode))
        return UniqueFd();
    return UniqueFd(::open(("/proc/self/fd/" + std::to_string(file.get())).c_str(), O_RDONLY | O_CLOEXEC));
}

Images::Images(const std::string &recording_folder) : folder_(recording_folder) {
    if (!folder_.empty())
        folder_ += "/images";
}

std::string Images::of(pid_t pid, const Mapping &mapping, bool trust_times) {
    if (folder_.empty() || !mapping.has_file())
        return "";
    const UniqueFd file = open_mapped_file(pid, mapping);
    struct stat status {};
    if (!file || ::fstat(file.get(), &status) != 0 || status.st_size > largest)
        return "";
    const Key key{status.st_dev,          status.st_ino,         status.st_size,        status.st_mtim.tv_sec,
                  status.st_mtim.tv_nsec, status.st_ctim.tv_sec, status.st_ctim.tv_nsec};
    if (const auto found = known_.find(key); trust_times && found != known_.end())
        return found->second;
    // A change within a tick of the kernel's clock leaves the times as they are.
    const std::int64_t changed_ns = status.st_ctim.tv_sec * second + status.st_ctim.tv_nsec;
    const bool is_settled = static_cast<std::int64_t>(read_clock_ns(CLOCK_REALTIME)) > changed_ns + second / 20;
    const std::string name = store(file.get());
    if (!name.empty() && is_settled)
        known_[key] = name;
    return name;
}

// A copy is made first and named when its content is known: the file may be changing.
std::string Images::store(int file) {
    if (!made_ && ::mkdir(folder_.c_str(), 0700) != 0 && errno != EEXIST)
        throw system_failure("cannot make " + folder_);
    made_ = true;
    const std::string temporary = folder_ + "/new";
    UniqueFd copy(::open(temporary.c_str(), O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600));
    if (!copy)
        throw system_failure("cannot create " + temporary);
    std::string name;
    try {
        const bool cloned = ::ioctl(copy.get(), FICLONE, file) == 0;
        name = cloned ? hash(copy.get(), -1, temporary) : hash(file, copy.get(), temporary);
    } catch (const Failure &) {
        ::unlink(temporary.c_str());
        throw;
    }
    if (name.empty())
        ::unlink(temporary.c_str());
    else if (::rename(temporary.c_str(), (folder_ + "/" + name).c_str()) != 0)
        throw system_failure("cannot create " + folder_ + "/" + name);
    return name;
}

} // namespace retrograde
