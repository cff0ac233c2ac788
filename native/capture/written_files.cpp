#include "capture/written_files.h"

#include "base/unique_fd.h"
#include "capture/call_memory.h"
#include "capture/event_rows.h"
#include "capture/process_facts.h"
#include "capture/wire_record.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <optional>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

namespace retrograde {

namespace {

const std::uint64_t page_size = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
constexpr std::size_t chunk = 1 << 20;
constexpr std::uint64_t most_iovecs = 1024; // UIO_MAXIOV
constexpr int append_flag = 0x10;           // RWF_APPEND

std::string descriptor_path(pid_t tid, std::uint64_t fd) {
    return "/proc/" + std::to_string(tid) + "/fd/" + std::to_string(static_cast<std::uint32_t>(fd));
}

// What /proc tells of a descriptor.
struct Descriptor {
    std::uint64_t position = 0;
    bool appends = false;
};
Descriptor read_descriptor(pid_t tid, std::uint64_t fd) {
    const std::string text = read_proc_file(tid, "fdinfo/" + std::to_string(static_cast<std::uint32_t>(fd)), 4096);
    Descriptor found;
    unsigned flags = 0;
    std::sscanf(text.c_str(), "pos: %" SCNu64 " flags: %o", &found.position, &flags);
    found.appends = flags & O_APPEND;
    return found;
}

// The pieces of memory that a call of the write family has written to a file.
std::vector<std::pair<std::uint64_t, std::uint64_t>> pieces_of(const ProcessMemory &memory, const rg_event &call) {
    auto left = static_cast<std::uint64_t>(call.result);
    if (call.nr == SYS_write || call.nr == SYS_pwrite64)
        return {{call.args[1], left}};
    std::vector<std::pair<std::uint64_t, std::uint64_t>> pieces;
    for (std::uint64_t i = 0; i < std::min<std::uint64_t>(call.args[2], most_iovecs) && left > 0; i++) {
        std::uint64_t piece[2];
        if (!memory.get(call.args[1] + i * sizeof piece, piece))
            return {};
        pieces.emplace_back(piece[0], std::min(piece[1], left));
        left -= pieces.back().second;
    }
    return pieces;
}

bool add_buffers(EventRows &rows, const rg_event &call, std::uint64_t offset, std::vector<unsigned char> &bytes) {
    const ProcessMemory memory(static_cast<pid_t>(call.tid));
    bytes.resize(chunk);
    for (auto [address, length] : pieces_of(memory, call))
        while (length > 0) {
            const std::size_t wanted = std::min<std::uint64_t>(length, chunk);
            if (memory.read(address, bytes.data(), wanted) != wanted)
                return false;
            rows.add(RG_SEG_MEMORY, 0, offset, {bytes.data(), wanted});
            address += wanted, offset += wanted, length -= wanted;
        }
    return true;
}

// What is not zero for sure.
bool add_file_content(EventRows &rows, int file, std::uint64_t offset, std::uint64_t end,
                      std::vector<unsigned char> &bytes) {
    bytes.resize(chunk);
    while (offset < end) {
        const off_t data = ::lseek(file, static_cast<off_t>(offset), SEEK_DATA);
        if (data < 0)
            return errno == ENXIO;
        const off_t hole = ::lseek(file, data, SEEK_HOLE);
        const std::uint64_t data_end = hole < 0 ? end : std::min(end, static_cast<std::uint64_t>(hole));
        for (offset = static_cast<std::uint64_t>(data); offset < data_end;) {
            const ssize_t got = ::pread(file, bytes.data(), std::min<std::uint64_t>(data_end - offset, chunk),
                                        static_cast<off_t>(offset));
            if (got <= 0)
                return got == 0;
            rows.add(RG_SEG_MEMORY, 0, offset, {bytes.data(), static_cast<std::size_t>(got)});
            offset += static_cast<std::uint64_t>(got);
        }
    }
    return true;
}

// The process whose memory a file in /proc is: "/proc/1234/mem", "/proc/1234/task/1235/mem".
std::optional<pid_t> process_of_memory(const std::string &descriptor) {
    char link[128];
    const ssize_t length = ::readlink(descriptor.c_str(), link, sizeof link - 1);
    link[std::max<ssize_t>(length, 0)] = 0;
    int pid = 0, tid = 0, end = 0;
    if (std::sscanf(link, "/proc/%d/mem%n", &pid, &end) == 1 && end == length)
        return pid;
    end = 0;
    if (std::sscanf(link, "/proc/%d/task/%d/mem%n", &pid, &tid, &end) == 2 && end == length)
        return pid;
    return std::nullopt;
}

std::string path_of_truncated(const rg_event &call) {
    const auto tid = static_cast<pid_t>(call.tid);
    char path[4096];
    const std::size_t got = ProcessMemory(tid).read(call.args[0], path, sizeof path);
    const std::string text(path, ::strnlen(path, got));
    return "/proc/" + std::to_string(tid) + (text.starts_with('/') ? "/root" : "/cwd/") + text;
}

} // namespace

rg_changes changes_of(int nr) {
    switch (nr) {
    case SYS_write:
    case SYS_pwrite64:
    case SYS_writev:
    case SYS_pwritev:
    case SYS_pwritev2:
    case SYS_ftruncate:
    case SYS_fallocate:
    case SYS_sendfile:
    case SYS_ioctl:
        return RG_CHANGES_ARG0;
    case SYS_splice:
    case SYS_copy_file_range:
        return RG_CHANGES_ARG2;
    case SYS_openat2:
        return RG_CHANGES_RESULT;
    case SYS_openat:
        return RG_CHANGES_RESULT_ARG2;
#if defined(SYS_open)
    case SYS_open:
        return RG_CHANGES_RESULT_ARG1;
    case SYS_creat:
        return RG_CHANGES_RESULT;
#endif
    case SYS_truncate:
        return RG_CHANGES_PATH;
    default:
        return RG_CHANGES_NOTHING;
    }
}

WrittenFiles::Key WrittenFiles::key_of(const Mapping &mapping) {
    char text[64];
    std::snprintf(text, sizeof text, "%02" PRIx32 ":%02" PRIx32 " %" PRIu64, mapping.major, mapping.minor,
                  mapping.inode);
    return text;
}

void WrittenFiles::mapped(const Mapping &mapping, const struct stat &status) {
    if (!S_ISREG(status.st_mode))
        return;
    const Key key = key_of(mapping);
    File &file = files_[key];
    file.major = mapping.major;
    file.minor = mapping.minor;
    file.inode = mapping.inode;
    file.size = static_cast<std::uint64_t>(status.st_size);
    file.is_shared |= mapping.is_shared();
    file.is_stored_to |= mapping.changes_unseen();
    keys_[{status.st_dev, status.st_ino}] = key;
}

void WrittenFiles::mapped(const Mapping &mapping, pid_t tid, std::uint64_t fd) {
    struct stat status {};
    if (::stat(descriptor_path(tid, fd).c_str(), &status) == 0)
        mapped(mapping, status);
}

bool WrittenFiles::may_be_stored_to(const Mapping &mapping) const {
    const auto found = files_.find(key_of(mapping));
    return found != files_.end() && found->second.is_stored_to;
}

std::vector<std::string> WrittenFiles::changing() const {
    std::vector<std::string> names;
    for (const auto &[key, file] : files_)
        if (file.is_shared || file.is_written)
            names.push_back(key);
    return names;
}

void WrittenFiles::write_changes(const rg_event &call) {
    const rg_changes how = call.kind == RG_SYSCALL ? changes_of(call.nr) : RG_CHANGES_NOTHING;
    const bool failed = call.result < 0 && call.result >= -4095;
    if (how == RG_CHANGES_NOTHING || (call.flags & RG_COMPAT) || failed)
        return;
    const auto tid = static_cast<pid_t>(call.tid);
    const std::uint64_t fd = how == RG_CHANGES_ARG0   ? call.args[0]
                             : how == RG_CHANGES_ARG2 ? call.args[2]
                                                      : static_cast<std::uint64_t>(call.result);
    const std::string path = how == RG_CHANGES_PATH ? path_of_truncated(call) : descriptor_path(tid, fd);
    struct stat status {
    }, proc{};
    if (::stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode))
        return;
    if (const auto known = keys_.find({status.st_dev, status.st_ino}); known != keys_.end()) {
        write_file_row(call, files_[known->second], path, static_cast<std::uint64_t>(status.st_size));
    } else if (::stat("/proc/self/mem", &proc) == 0 && proc.st_dev == status.st_dev) {
        if (const auto process = process_of_memory(path))
            write_process_row(call, *process);
    }
}

// Which part of the file a call has changed, besides its size. False where it has changed nothing.
bool WrittenFiles::find_range(const rg_event &call, std::uint64_t size, std::uint64_t size_before, Range &range) {
    const auto tid = static_cast<pid_t>(call.tid);
    const auto count = static_cast<std::uint64_t>(call.result);
    const ProcessMemory memory(tid);
    auto at_position = [&](std::uint64_t fd) { range.offset = read_descriptor(tid, fd).position - count; };
    auto behind_pointer = [&](std::uint64_t pointer, std::uint64_t fd) {
        if (pointer == 0 || !memory.get(pointer, range.offset))
            return at_position(fd);
        range.offset -= count;
    };
    range.length = count;
    range.from_buffer = true;
    switch (call.nr) {
    case SYS_write:
    case SYS_writev:
        at_position(call.args[0]);
        return count > 0;
    case SYS_pwrite64:
    case SYS_pwritev:
    case SYS_pwritev2: {
        const bool asks_to_append = call.nr == SYS_pwritev2 && call.args[5] & append_flag;
        const bool at_given = call.nr != SYS_pwritev2 || static_cast<std::int64_t>(call.args[3]) != -1;
        if (!at_given)
            at_position(call.args[0]);
        else if (asks_to_append || read_descriptor(tid, call.args[0]).appends)
            range.offset = size - count;
        else
            range.offset = call.args[3];
        return count > 0;
    }
    default:
        break;
    }
    range.from_buffer = false;
    switch (call.nr) {
    case SYS_sendfile:
        at_position(call.args[0]);
        return count > 0;
    case SYS_splice:
    case SYS_copy_file_range:
        behind_pointer(call.args[3], call.args[2]);
        return count > 0;
    case SYS_fallocate:
        range = {call.args[2], 0, false};
        if (call.args[1] & (FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE))
            range.length = std::max({size, size_before, range.offset}) - range.offset;
        else if (call.args[1] & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
            range.length = call.args[3];
        return range.length > 0 || size != size_before;
    case SYS_ioctl: {
        file_clone_range clone{};
        if (call.args[1] == FICLONERANGE && memory.get(call.args[2], clone))
            range.offset = clone.dest_offset;
        else if (call.args[1] != FICLONE)
            return false;
        range.length = size - std::min(size, range.offset);
        return true;
    }
    default: // truncated
        range.length = 0;
        return size != size_before;
    }
}

void WrittenFiles::write_file_row(const rg_event &call, File &file, const std::string &path, std::uint64_t size) {
    Range range;
    const std::uint64_t size_before = std::exchange(file.size, size);
    if (!find_range(call, size, size_before, range))
        return;
    file.is_written = true;
    rg_event event = make_event(RG_WRITTEN, -1, static_cast<pid_t>(call.pid), static_cast<pid_t>(call.tid), call.exit);
    event.cpu = call.cpu;
    event.args[0] = RG_WRITTEN_FILE;
    event.args[1] = std::uint64_t{file.major} << 32 | file.minor;
    event.args[2] = file.inode;
    event.args[3] = range.offset;
    event.args[4] = size;
    event.args[5] = range.length;
    EventRows rows(writer_, buffer_, event);
    const UniqueFd content(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    // What a program has stored behind the end of the file, into its last page, is seen when the file grows.
    const std::uint64_t end_of_page = (size_before + page_size - 1) / page_size * page_size;
    const std::uint64_t end_of_tail = std::min({size, end_of_page, range.length > 0 ? range.offset : size});
    if (content && size_before < end_of_tail)
        add_file_content(rows, content.get(), size_before, end_of_tail, bytes_);
    bool whole = true;
    if (range.from_buffer)
        whole = add_buffers(rows, call, range.offset, bytes_);
    else if (range.length > 0)
        whole = content && add_file_content(rows, content.get(), range.offset,
                                            std::min(size, range.offset + range.length), bytes_);
    if (!whole)
        rows.mark_fault();
    rows.finish();
}

void WrittenFiles::write_process_row(const rg_event &call, pid_t process) {
    Range range;
    if (!find_range(call, 0, 0, range) || !range.from_buffer)
        return;
    const ProcessFacts facts = read_process_facts(process);
    rg_event event = make_event(RG_WRITTEN, -1, static_cast<pid_t>(call.pid), static_cast<pid_t>(call.tid), call.exit);
    event.cpu = call.cpu;
    event.args[0] = RG_WRITTEN_PROCESS;
    event.args[1] = static_cast<__u64>(facts.found ? facts.pid : process);
    event.args[3] = range.offset;
    event.args[5] = range.length;
    EventRows rows(writer_, buffer_, event);
    if (!add_buffers(rows, call, range.offset, bytes_))
        rows.mark_fault();
    rows.finish();
}

} // namespace retrograde
