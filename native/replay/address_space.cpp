#include "replay/address_space.h"

#include "base/failure.h"
#include "base/hex.h"
#include "base/pagemap.h"
#include "replay/stub.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <elf.h>
#include <fcntl.h>
#include <linux/mman.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

namespace retrograde {

namespace {

constexpr std::uint64_t page = 0x1000;
std::uint64_t page_up(std::uint64_t address) {
    return (address + page - 1) & ~(page - 1);
}

void check_range(std::uint64_t start, std::uint64_t end) {
    if (end < start || (start < stub_end && end > stub_code))
        throw Failure("the recording maps " + hex(start) + "-" + hex(end) +
                          ", where the replayer has its own code: it cannot be replayed",
                      exit_cannot);
}

// Carries out a call whose result is known.
void demand(Tracee &tracee, const char *what, std::uint64_t result, int nr, std::array<std::uint64_t, 6> args) {
    const std::int64_t got = tracee.call(nr, args);
    if (static_cast<std::uint64_t>(got) == result)
        return;
    std::string message =
        std::string("cannot repeat ") + what + "(" + hex(args[0]) + ", " + hex(args[1]) + ", " + hex(args[2]) + "): ";
    if (got < 0 && got >= -4095)
        message += std::strerror(static_cast<int>(-got));
    else
        message += "it gave " + hex(static_cast<std::uint64_t>(got)) + " where " + hex(result) + " was recorded";
    throw Failure(message);
}

// A descriptor in the replayed process, closed at the end.
class RemoteFile {
  public:
    RemoteFile(Tracee &tracee, int folder, const std::string &path, int flags) : tracee_(tracee) {
        if (path.size() >= stub_data_size)
            throw Failure("too long a path: " + path);
        write_memory(tracee.tid(), stub_data, path.c_str(), path.size() + 1);
        fd_ = tracee.call(SYS_openat, {static_cast<std::uint64_t>(static_cast<std::int64_t>(folder)), stub_data,
                                       static_cast<std::uint64_t>(flags), 0, 0, 0});
        if (fd_ < 0)
            throw system_failure("cannot map " + path, static_cast<int>(-fd_));
    }
    RemoteFile(const RemoteFile &) = delete;
    ~RemoteFile() {
        if (!tracee_.is_gone())
            tracee_.call(SYS_close, {get(), 0, 0, 0, 0, 0});
    }
    std::uint64_t get() const { return static_cast<std::uint64_t>(fd_); }

  private:
    Tracee &tracee_;
    std::int64_t fd_;
};

void write_all(Tracee &tracee, std::uint64_t address, std::span<const unsigned char> bytes) {
    check_range(address, address + bytes.size());
    if (write_memory(tracee.tid(), address, bytes.data(), bytes.size()) != bytes.size())
        throw Failure("cannot write " + std::to_string(bytes.size()) + " bytes at " + hex(address) +
                      " of a replayed process");
}

bool is_special(const std::string &path) {
    return path.starts_with("[vvar") || path == "[vsyscall]" || path == "[vectors]";
}

} // namespace

AddressSpace::Mapped AddressSpace::map(Tracee &tracee, const Mapping &mapping, SharedMemory &shared,
                                       const RecordedImages &images, const std::string &key) {
    check_range(mapping.start, mapping.end);
    const std::uint64_t length = mapping.end - mapping.start;
    const auto protection = static_cast<std::uint64_t>(mapping.protection());
    const bool shows_changes = !key.empty() && shared.written.contains(key);
    if (mapping.is_shared() || shows_changes) {
        // Without an image and the file's size, it is as long as is mapped of it.
        Mapped mapped{nullptr, false};
        mapped.object = shared.of_file({key, mapping.image, pending_size_ ? pending_size_ : mapping.offset + length},
                                       images.folder, mapped.is_new);
        const RemoteFile file(tracee, AT_FDCWD, mapped.object->path(), O_RDWR | O_CLOEXEC);
        const std::uint64_t flags = mapping.is_shared() ? MAP_SHARED : MAP_PRIVATE;
        demand(tracee, "mmap", mapping.start, SYS_mmap,
               {mapping.start, length, protection, flags | MAP_FIXED, file.get(), mapping.offset});
        if (!mapping.is_shared() && !mapping.image.empty())
            images.cpu.patch(tracee, mapping, images.folder);
        return mapped;
    }
    if (!mapping.image.empty()) {
        const RemoteFile image(tracee, stub_images, mapping.image, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        demand(tracee, "mmap", mapping.start, SYS_mmap,
               {mapping.start, length, protection, MAP_PRIVATE | MAP_FIXED, image.get(), mapping.offset});
        images.cpu.patch(tracee, mapping, images.folder);
    } else {
        std::uint64_t flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE;
        if (mapping.path == "[stack]")
            flags |= MAP_GROWSDOWN;
        demand(tracee, "mmap", mapping.start, SYS_mmap, {mapping.start, length, protection, flags, ~0ull, 0});
    }
    return {nullptr, true};
}

// What is in no image. An object that was there before is as it was when it was recorded.
void AddressSpace::write_pending(Tracee &tracee, const std::vector<Mapped> &mapped) {
    for (const Bytes &bytes : pending_bytes_) {
        std::size_t at = 0;
        while (at < pending_.size() && (bytes.address < pending_[at].start || bytes.address >= pending_[at].end))
            at++;
        // A single byte is a changed instruction: that is the process's own, and not its file's.
        if (at == pending_.size() || !mapped[at].object || (bytes.data.size() == 1 && !pending_[at].is_shared()))
            write_all(tracee, bytes.address, bytes.data);
        else if (mapped[at].is_new)
            mapped[at].object->write(pending_[at].offset + bytes.address - pending_[at].start, bytes.data);
    }
}

void AddressSpace::remember(const std::vector<Mapping> &mappings) {
    for (const Mapping &mapping : mappings)
        if (!mapping.path.empty())
            known_[mapping.start] = mapping;
}

void AddressSpace::start(Tracee &tracee, const Event &start, SharedMemory &shared, const RecordedImages &images) {
    *this = AddressSpace();
    const Segment *maps = start.segment(RG_SEG_MAPS);
    if (!maps)
        throw Failure("the recording is damaged: the start of a program has no memory map");
    const std::vector<Mapping> mappings = parse_maps(maps->bytes);
    const rlimit limit{start.args[1], RLIM_INFINITY};
    ::prlimit(tracee.process(), RLIMIT_STACK, &limit, nullptr);
    for (const Mapping &mapping : mappings)
        if (!is_special(mapping.path))
            map(tracee, mapping, shared, images, mapping.is_shared() ? "" : file_key(mapping.device, mapping.inode));
    break_ = start.args[0];
    remember(mappings);
    for (const Mapping &mapping : mappings)
        if (!mapping.image.empty()) {
            program_ = mapping.path;
            break;
        }
}

void AddressSpace::mapped(const Event &event) {
    pending_.clear();
    pending_bytes_.clear();
    pending_size_ = event.args[2];
    if (const Segment *maps = event.segment(RG_SEG_MAPS))
        pending_ = parse_maps(maps->bytes);
    more_mapped(event);
}

void AddressSpace::more_mapped(const Event &event) {
    for (const Segment &segment : event.segments)
        if (segment.arg == RG_SEG_MEMORY)
            pending_bytes_.push_back({segment.address, {segment.bytes.begin(), segment.bytes.end()}});
}

bool AddressSpace::performs(int nr) {
    switch (nr) {
    case SYS_brk:
    case SYS_mmap:
    case SYS_munmap:
    case SYS_mprotect:
    case SYS_pkey_mprotect:
    case SYS_mremap:
    case SYS_madvise:
    case SYS_shmat:
    case SYS_shmdt:
    case SYS_remap_file_pages:
        return true;
    default:
        return false;
    }
}

void AddressSpace::perform(Tracee &tracee, const Event &call, SharedMemory &shared, const RecordedImages &images) {
    const auto &args = call.args;
    const auto result = static_cast<std::uint64_t>(call.result);
    switch (call.nr) {
    case SYS_brk:
        return move_break(tracee, result);
    case SYS_mmap:
        return map_mmap(tracee, call, shared, images);
    case SYS_shmat:
        return map_shmat(tracee, call, shared);
    case SYS_shmdt:
        if (auto found = attached_.find(args[0]); found != attached_.end()) {
            check_range(found->first, found->first + found->second);
            demand(tracee, "munmap", 0, SYS_munmap, {found->first, found->second, 0, 0, 0, 0});
            attached_.erase(found);
        }
        return;
    case SYS_munmap:
        check_range(args[0], args[0] + args[1]);
        return demand(tracee, "munmap", 0, SYS_munmap, {args[0], args[1], 0, 0, 0, 0});
    case SYS_mprotect:
    case SYS_pkey_mprotect:
        check_range(args[0], args[0] + args[1]);
        return demand(tracee, "mprotect", 0, SYS_mprotect, {args[0], args[1], args[2], 0, 0, 0});
    case SYS_remap_file_pages:
        return demand(tracee, "remap_file_pages", 0, call.nr, call.args);
    case SYS_mremap: {
        check_range(args[0], args[0] + args[1]);
        check_range(result, result + args[2]);
        std::uint64_t flags = args[3] | MREMAP_MAYMOVE;
        if (result != args[0])
            flags |= MREMAP_FIXED;
        return demand(tracee, "mremap", result, SYS_mremap, {args[0], args[1], args[2], flags, result, 0});
    }
    case SYS_madvise:
        switch (args[2]) {
        case MADV_DONTNEED:
        case MADV_REMOVE:
        case MADV_DONTFORK:
        case MADV_DOFORK:
        case MADV_WIPEONFORK:
        case MADV_KEEPONFORK:
        case 102: // MADV_GUARD_INSTALL, MADV_GUARD_REMOVE (Linux 6.13)
        case 103:
            check_range(args[0], args[0] + args[1]);
            return demand(tracee, "madvise", 0, SYS_madvise, {args[0], args[1], args[2], 0, 0, 0});
        default: // hints
            return;
        }
    default:
        return;
    }
}

void AddressSpace::move_break(Tracee &tracee, std::uint64_t to) {
    const std::uint64_t from = page_up(break_), end = page_up(to);
    if (end > from) {
        check_range(from, end);
        demand(tracee, "brk", from, SYS_mmap,
               {from, end - from, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE,
                ~0ull, 0});
    } else if (end < from) {
        check_range(end, from);
        demand(tracee, "brk", 0, SYS_munmap, {end, from - end, 0, 0, 0, 0});
    }
    break_ = to;
}

void AddressSpace::map_mmap(Tracee &tracee, const Event &call, SharedMemory &shared, const RecordedImages &images) {
    const auto start = static_cast<std::uint64_t>(call.result);
    const std::uint64_t length = page_up(call.args[1]), flags = call.args[3];
    check_range(start, start + length);
    if (!(flags & MAP_ANONYMOUS)) {
        if (pending_.empty())
            throw Failure("the recording does not hold what was mapped at " + hex(start));
        std::vector<Mapped> mapped;
        for (const Mapping &mapping : pending_)
            mapped.push_back(map(tracee, mapping, shared, images, file_key(mapping.device, mapping.inode)));
        write_pending(tracee, mapped);
        remember(pending_);
        pending_.clear();
        pending_bytes_.clear();
        return;
    }
    if ((flags & MAP_TYPE) == MAP_SHARED || (flags & MAP_TYPE) == MAP_SHARED_VALIDATE) {
        const auto object = shared.get("", length);
        const RemoteFile file(tracee, AT_FDCWD, object->path(), O_RDWR | O_CLOEXEC);
        return demand(tracee, "mmap", start, SYS_mmap,
                      {start, length, call.args[2], MAP_SHARED | MAP_FIXED, file.get(), 0});
    }
    const std::uint64_t kept = flags & (MAP_GROWSDOWN | MAP_STACK);
    demand(tracee, "mmap", start, SYS_mmap,
           {start, length, call.args[2], MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE | kept, ~0ull, 0});
}

void AddressSpace::map_shmat(Tracee &tracee, const Event &call, SharedMemory &shared) {
    const auto start = static_cast<std::uint64_t>(call.result);
    if (pending_.empty())
        throw Failure("the recording does not hold the shared memory attached at " + hex(start));
    for (const Mapping &mapping : pending_) {
        const std::uint64_t length = mapping.end - mapping.start;
        const auto object = shared.get("shm " + std::to_string(call.args[0]), mapping.offset + length);
        const RemoteFile file(tracee, AT_FDCWD, object->path(), O_RDWR | O_CLOEXEC);
        check_range(mapping.start, mapping.end);
        demand(tracee, "shmat", mapping.start, SYS_mmap,
               {mapping.start, length, static_cast<std::uint64_t>(mapping.protection()), MAP_SHARED | MAP_FIXED,
                file.get(), mapping.offset});
        attached_[start] = mapping.end - start;
    }
    for (const Bytes &bytes : pending_bytes_)
        write_all(tracee, bytes.address, bytes.data);
    pending_.clear();
    pending_bytes_.clear();
}

// The stack holds argc, the arguments, NULL, the environment, NULL, and the vector (ABI of either architecture).
void AddressSpace::read_auxv(Tracee &tracee) {
    constexpr std::size_t most = 1 << 20;
    std::vector<std::uint64_t> words(most / 8);
    words.resize(read_memory(tracee.tid(), tracee.registers().sp(), words.data(), most) / 8);
    std::size_t at = 1;
    for (int lists = 0; lists < 2; lists++) {
        while (at < words.size() && words[at] != 0)
            at++;
        at++;
    }
    const std::size_t begin = at;
    while (at + 1 < words.size() && words[at] != AT_NULL)
        at += 2;
    if (at + 1 >= words.size())
        return;
    const auto *bytes = reinterpret_cast<const unsigned char *>(words.data());
    auxv_.assign(bytes + begin * 8, bytes + (at + 2) * 8);
}

std::string AddressSpace::text(pid_t process) const {
    std::string text;
    for (const Mapping &mapping : current_maps(process)) {
        const std::uint64_t start = mapping.start;
        if ((start >= stub_code && start < stub_end) || mapping.path == "[vsyscall]")
            continue;
        std::string path = mapping.path, image = "-";
        // What was mapped from the recording has the name that it had when it was recorded.
        auto known = known_.upper_bound(start);
        if (known != known_.begin()) {
            --known;
            if (start < known->second.end) {
                path = known->second.path;
                if (!known->second.image.empty())
                    image = known->second.image;
            } else if (!path.starts_with('[')) {
                path.clear();
            }
        }
        char head[128];
        std::snprintf(head, sizeof head, "%lx-%lx %s %08lx %s %lu ", start, mapping.end, mapping.permissions.c_str(),
                      mapping.offset, "00:00", mapping.inode);
        text += head + image + (path.empty() ? "" : " " + path) + "\n";
    }
    return text;
}

void AddressSpace::unshare(Tracee &copy, const std::map<std::string, std::shared_ptr<SharedObject>> &renamed) {
    struct Shared {
        std::uint64_t start, length, offset, protection;
        bool is_private;
        std::shared_ptr<SharedObject> object;
    };
    std::vector<Shared> found;
    const std::string prefix = "/memfd:";
    for (const Mapping &mapping : current_maps(copy.tid())) {
        if (!mapping.path.starts_with(prefix))
            continue;
        std::string name = mapping.path.substr(prefix.size());
        name.resize(std::min(name.find(' '), name.size()));
        if (auto twin = renamed.find(name); twin != renamed.end())
            found.push_back({mapping.start, mapping.end - mapping.start, mapping.offset,
                             static_cast<std::uint64_t>(mapping.protection()), !mapping.is_shared(), twin->second});
    }
    for (const Shared &mapping : found) {
        const std::vector<Bytes> own = mapping.is_private
                                           ? own_pages(copy.tid(), mapping.start, mapping.start + mapping.length)
                                           : std::vector<Bytes>();
        const RemoteFile file(copy, AT_FDCWD, mapping.object->path(), O_RDWR | O_CLOEXEC);
        const std::uint64_t flags = mapping.is_private ? MAP_PRIVATE : MAP_SHARED;
        demand(copy, "mmap", mapping.start, SYS_mmap,
               {mapping.start, mapping.length, mapping.protection, flags | MAP_FIXED, file.get(), mapping.offset});
        for (const Bytes &bytes : own)
            write_all(copy, bytes.address, bytes.data);
    }
}

void AddressSpace::note_stack(std::uint64_t sp) {
    constexpr std::size_t most = 4096;
    if (stacks_.size() < most)
        stacks_.insert(sp / page * page);
}

// Of a private mapping of a file, the pages that are no longer the file's.
std::vector<AddressSpace::Bytes> AddressSpace::own_pages(pid_t tid, std::uint64_t start, std::uint64_t end) {
    std::vector<Bytes> found;
    const bool is_told = visit_pages(tid, start, end, [&](std::uint64_t at, PageState state) {
        if (!state.is_there || state.is_of_file)
            return;
        Bytes bytes{at, std::vector<unsigned char>(page)};
        if (read_memory(tid, at, bytes.data.data(), page) == page)
            found.push_back(std::move(bytes));
    });
    if (!is_told)
        throw system_failure("cannot tell which pages a replayed process has written");
    return found;
}

} // namespace retrograde
