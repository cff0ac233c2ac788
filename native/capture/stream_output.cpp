#include "capture/stream_output.h"

#include "base/clock.h"
#include "base/failure.h"

#include <cstdio>
#include <dirent.h>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

namespace retrograde {

namespace {

// Stream header, as docs/reference/recording-format.md has it: magic, version, stamp.
struct StreamHeader {
    unsigned char magic[8] = {0x89, 'R', 'G', 'T', 'R', 0x0d, 0x0a, 0x1a};
    std::uint32_t version = stream_version;
    std::uint32_t stamp;
};
static_assert(sizeof(StreamHeader) == 16);

// Any number but 0, which means that there is none.
std::uint32_t random_stamp() {
    std::uint32_t stamp = 0;
    while (stamp == 0)
        if (::getrandom(&stamp, sizeof stamp, 0) < 0 && errno != EINTR)
            throw system_failure("cannot draw a random number");
    return stamp;
}

void write_whole(int fd, std::span<const unsigned char> bytes, const std::string &where) {
    while (!bytes.empty()) {
        ssize_t written = ::write(fd, bytes.data(), bytes.size());
        if (written < 0) {
            if (errno == EINTR)
                continue;
            throw system_failure("cannot write " + where);
        }
        bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
}

bool is_empty_folder(const std::string &path) {
    DIR *folder = ::opendir(path.c_str());
    if (!folder)
        return false;
    int entries = 0;
    while (::readdir(folder))
        entries++;
    ::closedir(folder);
    return entries <= 2; // . and ..
}

} // namespace

StreamOutput::StreamOutput(const Options &options)
    : folder_(options.output == "-" ? "" : options.output), stamp_(random_stamp()), last_bytes_(options.last_bytes),
      last_ns_(options.last_ns) {
    if (is_pipe()) {
        file_.reset(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3));
        if (!file_)
            throw system_failure("cannot use stdout for the block stream");
        write_stream_header("stdout");
        return;
    }
    if (::mkdir(folder_.c_str(), 0700) != 0 && !(errno == EEXIST && is_empty_folder(folder_)))
        throw system_failure("cannot make the recording's folder " + folder_);
    if (::chmod(folder_.c_str(), 0700) != 0)
        throw system_failure("cannot make " + folder_ + " private");
    UniqueFd incomplete(::open((folder_ + "/incomplete").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    if (!incomplete)
        throw system_failure("cannot write in " + folder_);
    open_file(now_ns());
}

std::string StreamOutput::file_name(std::uint64_t number) const {
    char name[32];
    std::snprintf(name, sizeof name, "/events-%06llu", static_cast<unsigned long long>(number));
    return folder_ + name;
}

void StreamOutput::open_file(std::uint64_t now) {
    std::string name = file_name(next_part_);
    file_.reset(::open(name.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600));
    if (!file_)
        throw system_failure("cannot create " + name);
    write_stream_header(name);
    parts_.push_back({next_part_++, now, sizeof(StreamHeader)});
}

void StreamOutput::write_stream_header(const std::string &where) {
    StreamHeader header;
    header.stamp = stamp_;
    write_whole(file_.get(), {reinterpret_cast<const unsigned char *>(&header), sizeof header}, where);
    bytes_ += sizeof header;
}

void StreamOutput::write(std::span<const unsigned char> header, std::span<const unsigned char> payload) {
    const std::string where = is_pipe() ? "stdout" : file_name(parts_.back().number);
    const std::size_t total = header.size() + payload.size();
    iovec parts[2] = {{const_cast<unsigned char *>(header.data()), header.size()},
                      {const_cast<unsigned char *>(payload.data()), payload.size()}};
    ssize_t written = ::writev(file_.get(), parts, 2);
    if (written < 0 && errno != EINTR)
        throw system_failure("cannot write " + where);
    auto done = static_cast<std::size_t>(written < 0 ? 0 : written);
    if (done < header.size()) {
        write_whole(file_.get(), header.subspan(done), where);
        done = header.size();
    }
    write_whole(file_.get(), payload.subspan(done - header.size()), where);
    bytes_ += total;
    if (!parts_.empty())
        parts_.back().bytes += total;
}

bool StreamOutput::rotation_due(std::uint64_t now) const {
    if (is_pipe() || (last_bytes_ == 0 && last_ns_ == 0))
        return false;
    const Part &part = parts_.back();
    return (last_bytes_ && part.bytes >= last_bytes_ / rotated_parts) ||
           (last_ns_ && now - part.opened_ns >= last_ns_ / rotated_parts);
}

void StreamOutput::rotate(std::uint64_t now) {
    open_file(now);
    std::uint64_t kept = 0;
    for (const Part &part : parts_)
        kept += part.bytes;
    // A file may go once those behind it hold all that was asked for.
    while (parts_.size() > 1 &&
           (last_bytes_ ? kept - parts_.front().bytes >= last_bytes_ : now - parts_[1].opened_ns >= last_ns_)) {
        kept -= parts_.front().bytes;
        ::unlink(file_name(parts_.front().number).c_str());
        parts_.pop_front();
    }
}

void StreamOutput::discard() {
    if (is_pipe())
        return;
    for (const Part &part : parts_)
        ::unlink(file_name(part.number).c_str());
    ::unlink((folder_ + "/incomplete").c_str());
    ::rmdir(folder_.c_str());
}

void StreamOutput::complete(const std::string &end_json) {
    if (is_pipe())
        return;
    std::string name = folder_ + "/info.json";
    UniqueFd file(::open(name.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600));
    if (!file)
        throw system_failure("cannot create " + name);
    try {
        write_whole(file.get(), {reinterpret_cast<const unsigned char *>(end_json.data()), end_json.size()}, name);
    } catch (const Failure &) { // half of it is of no use
        ::unlink(name.c_str());
        throw;
    }
    ::unlink((folder_ + "/incomplete").c_str());
}

} // namespace retrograde
