#include "capture/replay_state.h"

#include "base/clock.h"
#include "base/pagemap.h"
#include "capture/process_facts.h"
#include "capture/registers.h"
#include "capture/trapped_instructions.h"
#include "capture/wire_record.h"

#include <algorithm>
#if defined(__aarch64__)
#include <asm/hwcap.h>
#include <asm/ptrace.h>
#endif
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

namespace retrograde {

namespace {

const std::uint64_t page_size = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));

std::uint64_t page_of(std::uint64_t address) {
    return address & ~(page_size - 1);
}

std::uint64_t page_end(std::uint64_t address) {
    return page_of(address + page_size - 1);
}

// Behind what the stack begins with: argc, argv and a NULL, envp and a NULL.
std::uint64_t find_auxiliary_vector(const ProcessMemory &memory, std::uint64_t sp) {
    std::uint64_t count = 0, at = sp;
    constexpr std::uint64_t most = 8 << 20; // bytes; exec takes 6 MiB at most
    if (!memory.get(at, count) || count > most / sizeof count)
        return 0;
    at += (1 + count + 1) * sizeof count;
    std::vector<std::uint64_t> words(page_size / sizeof(std::uint64_t));
    for (; at - sp < 2 * most;) {
        const std::size_t got = memory.read(at, words.data(), words.size() * sizeof words[0]) / sizeof words[0];
        const auto end = words.begin() + static_cast<std::ptrdiff_t>(got);
        const auto null = std::find(words.begin(), end, 0);
        at += static_cast<std::uint64_t>(null - words.begin()) * sizeof words[0];
        if (null != end)
            return at + sizeof words[0];
        if (got < words.size())
            return 0;
    }
    return 0;
}

// Without the vDSO the program asks for the time by system calls, which are recorded; and it asks for random numbers
// where it does not know of the instructions for them.
void hide_what_is_not_recorded(pid_t tid, const ProcessMemory &memory, std::uint64_t sp) {
    struct {
        std::uint64_t type, value;
    } entry{};
    auto poke = [tid](std::uint64_t at, std::uint64_t word) {
        ::ptrace(PTRACE_POKEDATA, tid, reinterpret_cast<void *>(at), word);
    };
    std::uint64_t at = find_auxiliary_vector(memory, sp);
    for (; at && memory.get(at, entry) && entry.type != AT_NULL; at += sizeof entry) {
        if (entry.type == AT_SYSINFO_EHDR)
            poke(at, AT_IGNORE);
#if defined(__aarch64__)
#ifndef HWCAP2_RNG
#define HWCAP2_RNG (1 << 16) // Linux 5.6
#endif
        if (entry.type == AT_HWCAP2)
            poke(at + sizeof entry.type, entry.value & ~std::uint64_t{HWCAP2_RNG});
#endif
    }
}

// The 47th field of /proc/PID/stat; the second is a name with anything in it.
std::uint64_t start_of_heap(pid_t tid) {
    const std::string stat = read_proc_file(tid, "stat", 4096);
    std::size_t at = stat.rfind(')');
    for (int field = 2; field < 47 && at != std::string::npos; field++)
        at = stat.find(' ', at + 1);
    return at == std::string::npos ? 0 : std::strtoull(stat.c_str() + at, nullptr, 10);
}

std::uint64_t stack_limit(pid_t tid) {
    rlimit limit{};
    if (::prlimit(tid, RLIMIT_STACK, nullptr, &limit) == 0)
        return limit.rlim_cur;
    // Of a program that has changed its user, only this can be seen.
    const std::string limits = read_proc_file(tid, "limits", 1 << 14), name = "Max stack size";
    const std::size_t at = limits.find(name);
    const char *text = at == std::string::npos ? "unlimited" : limits.c_str() + at + name.size();
    text += std::strspn(text, " ");
    return *text == 'u' ? RLIM_INFINITY : std::strtoull(text, nullptr, 10);
}

void add_register_set(EventRows &rows, pid_t tid, unsigned arg, unsigned set) {
    if (const std::vector<unsigned char> bytes = read_register_set(tid, set); !bytes.empty())
        rows.add(arg, 0, 0, bytes);
}

} // namespace

bool is_replayable(const Options &options) {
    return options.grade == Grade::replay && !options.command.empty() && !options.syscalls && options.last_bytes == 0 &&
           options.last_ns == 0;
}

ReplayState::ReplayState(EventWriter &writer, const std::string &recording_folder)
    : writer_(writer), images_(recording_folder), files_(writer) {}

void ReplayState::write_start(pid_t tid, std::uint64_t now) {
    GeneralRegisters registers{};
    if (!read_registers(tid, registers)) {
        if (!read_register_set(tid, NT_PRSTATUS).empty())
            unfaithful_.add("a 32-bit program", writer_.events());
        return;
    }
    const ProcessMemory memory(tid);
    const std::uint64_t sp = stack_pointer(registers);
    hide_what_is_not_recorded(tid, memory, sp);
    rg_event event = make_event(RG_START, -1, tid, tid, now); // exec leaves the main thread alone
    event.args[0] = start_of_heap(tid);
    event.args[1] = stack_limit(tid);
    EventRows rows(writer_, buffer_, event);
    add_register_set(rows, tid, RG_SEG_REGISTERS, NT_PRSTATUS);
    add_register_set(rows, tid, RG_SEG_FPREGISTERS, fp_registers);
#if defined(__aarch64__)
    add_register_set(rows, tid, RG_SEG_TLS, NT_ARM_TLS);
    for (const unsigned set : {NT_ARM_PACA_KEYS, NT_ARM_PACG_KEYS, NT_ARM_PAC_ENABLED_KEYS, NT_ARM_SVE})
        if (std::vector<unsigned char> bytes = read_register_set(tid, set); !bytes.empty()) {
            if (set == NT_ARM_SVE) // no vectors yet: the header alone
                bytes.resize(std::min(bytes.size(), sizeof(user_sve_header)));
            rows.add(RG_SEG_REGISTER_SET, 0, set, bytes);
        }
#endif
    const std::vector<Mapping> map = read_memory_map(tid);
    std::vector<std::string> images;
    add_map(rows, tid, map, images);
    for (std::size_t i = 0; i < map.size(); i++) {
        Mapping mapping = map[i];
        if (mapping.start <= sp && sp < mapping.end)
            mapping.start = page_of(sp);
        if (mapping.path == "[vdso]" || mapping.is_writable() || (mapping.has_file() && images[i].empty()))
            add_content(rows, tid, mapping);
    }
    for (const Mapping &mapping : map)
        patch(rows, tid, mapping);
    rows.finish();
}

void ReplayState::patch(EventRows &rows, pid_t tid, const Mapping &mapping) {
    const PatchedInstructions::Patches patches = patched_.patch(tid, mapping);
    for (const PatchedInstructions::Patch &patch : patches.list)
        rows.add(RG_SEG_MEMORY, 0, patch.address, {&patch.byte, 1});
    if (patches.is_doubtful)
        unfaithful_.add("random numbers from instructions (rdrand, rdseed) of " + mapping.path, writer_.events());
}

std::optional<WireRecord> ReplayState::carry_out_trapped(pid_t tid, int signal) const {
    siginfo_t info{};
    GeneralRegisters registers{};
    if ((signal != SIGSEGV && signal != SIGILL) || ::ptrace(PTRACE_GETSIGINFO, tid, nullptr, &info) != 0 ||
        !read_registers(tid, registers))
        return std::nullopt;
    const std::uint64_t address = program_counter(registers);
    std::optional<rg_trap> which;
    if (signal == SIGSEGV && info.si_code == SI_KERNEL && !belief_.forbids_counter(tid))
        which = carry_out_counter(tid, registers);
    else if (signal == SIGILL && info.si_code == ILL_ILLOPN)
        which = patched_.carry_out(tid, registers);
    if (!which || !write_registers(tid, registers))
        return std::nullopt;
    rg_event event = make_event(RG_TRAP, -1, read_process_facts(tid).pid, tid, now_ns());
    event.args[0] = *which;
    event.args[1] = address;
    WireRecordBuilder row(event);
    row.add(RG_SEG_REGISTERS, 0, 0, read_register_set(tid, NT_PRSTATUS));
    return row.take();
}

bool ReplayState::is_stale_trap(pid_t tid, int signal) const {
    return signal == SIGILL && patched_.is_restored(tid);
}

void ReplayState::let_go(pid_t pid, pid_t tid) {
    patched_.restore(pid, tid);
    if (!belief_.forbids_counter(tid))
        stop_trapping(tid);
    belief_.give_back(tid);
}

void ReplayState::add_map(EventRows &rows, pid_t tid, const std::vector<Mapping> &map,
                          std::vector<std::string> &images) {
    std::string text;
    for (const Mapping &mapping : map) {
        images.push_back(images_.of(tid, mapping, !files_.may_be_stored_to(mapping)));
        text += maps_line(mapping, images.back());
    }
    rows.add(RG_SEG_MAPS, text);
}

void ReplayState::note_file(pid_t tid, const Mapping &mapping) {
    struct stat status {};
    if (mapping.has_file() && stat_mapped_file(tid, mapping, status))
        files_.mapped(mapping, status);
    has_shared_overlay_ |= mapping.is_shared() && is_on_overlay(tid, mapping);
}

void ReplayState::add_content(EventRows &rows, pid_t tid, const Mapping &mapping) const {
    if (!mapping.is_readable())
        return;
    if (mapping.path.starts_with("[vdso]")) {
        rows.copy(ProcessMemory(tid), {mapping.start, mapping.length(), mapping.length(), RG_SEG_MEMORY, 0});
        return;
    }
    if (!mapping.has_file()) {
        add_pages(rows, tid, mapping);
        return;
    }
    struct stat status {};
    if (!stat_mapped_file(tid, mapping, status) || !S_ISREG(status.st_mode))
        return; // a device's memory is not to be read by others than its program
    // Behind the end of the file there is nothing.
    const auto size = static_cast<std::uint64_t>(status.st_size);
    if (size > mapping.offset)
        add_data_of_file(rows, tid, mapping, std::min(mapping.length(), page_end(size - mapping.offset)));
}

// Of the beginning of a mapping of a file, so many bytes long, what is no hole of the file: holes are zero (lseek(2)).
void ReplayState::add_data_of_file(EventRows &rows, pid_t tid, const Mapping &mapping, std::uint64_t length) const {
    const UniqueFd file = open_mapped_file(tid, mapping);
    const std::uint64_t end = mapping.offset + length;
    for (std::uint64_t at = mapping.offset; at < end;) {
        std::uint64_t hole = end;
        if (const off_t data = ::lseek(file.get(), static_cast<off_t>(at), SEEK_DATA); data >= 0) {
            const off_t next = ::lseek(file.get(), data, SEEK_HOLE);
            at = std::max(at, page_of(static_cast<std::uint64_t>(data)));
            hole = next >= 0 ? std::min(end, page_end(static_cast<std::uint64_t>(next))) : end;
        } else if (errno == ENXIO) { // nothing more
            return;
        }
        if (at >= hole)
            return;
        rows.copy(ProcessMemory(tid), {mapping.start + (at - mapping.offset), hole - at, hole - at, RG_SEG_MEMORY, 0});
        at = hole;
    }
}

// Of memory without a file, the pages that are there: the others are zero.
void ReplayState::add_pages(EventRows &rows, pid_t tid, const Mapping &mapping) const {
    const ProcessMemory memory(tid);
    std::uint64_t run = mapping.start; // where the pages before `at` that are there begin
    auto end_run = [&](std::uint64_t at) {
        if (run < at)
            rows.copy(memory, {run, at - run, at - run, RG_SEG_MEMORY, 0});
    };
    visit_pages(tid, mapping.start, mapping.end, [&](std::uint64_t at, PageState page) {
        if (page.is_there)
            return;
        end_run(at);
        run = at + page_size;
    });
    end_run(mapping.end); // what could not be looked at is copied, too
}

void ReplayState::write_before(const rg_event &call) {
    if (has_mapped(call))
        write_mapped(call);
    else
        files_.write_changes(call);
}

bool ReplayState::has_mapped(const rg_event &call) {
    const bool failed = call.result < 0 && call.result >= -4095;
    if (call.kind != RG_SYSCALL || (call.flags & RG_COMPAT) || failed)
        return false;
    return (call.nr == SYS_mmap && !(call.args[3] & MAP_ANONYMOUS)) || call.nr == SYS_shmat;
}

void ReplayState::write_mapped(const rg_event &call) {
    const auto tid = static_cast<pid_t>(call.tid);
    const auto start = static_cast<std::uint64_t>(call.result);
    std::vector<Mapping> map = read_memory_map(tid);
    std::uint64_t length = page_end(call.args[1]);
    if (call.nr == SYS_shmat) { // the size is not among the arguments
        const auto found = std::find_if(map.begin(), map.end(), [=](const Mapping &m) { return m.start == start; });
        length = found != map.end() ? found->length() : 0;
    }
    map = cut_to(std::move(map), start, start + length);
    rg_event event = make_event(RG_MAPPED, -1, static_cast<pid_t>(call.pid), tid, call.exit);
    event.cpu = call.cpu;
    event.args[0] = start;
    event.args[1] = length;
    struct stat status {};
    if (!map.empty() && map[0].has_file() && stat_mapped_file(tid, map[0], status) && S_ISREG(status.st_mode))
        event.args[2] = static_cast<__u64>(status.st_size);
    EventRows rows(writer_, buffer_, event);
    std::vector<std::string> images;
    add_map(rows, tid, map, images);
    for (std::size_t i = 0; i < map.size(); i++) {
        note_sharing(tid, map[i]);
        note_file(tid, map[i]);
        if (call.nr == SYS_mmap)
            files_.mapped(map[i], tid, call.args[4]);
        if (images[i].empty() || map[i].changes_unseen())
            add_content(rows, tid, map[i]);
        patch(rows, tid, map[i]);
    }
    rows.finish();
}

void ReplayState::note_sharing(pid_t tid, const Mapping &mapping) {
    constexpr std::uint32_t memory_devices = 1; // Documentation/admin-guide/devices.txt
    constexpr std::uint32_t zero = 5;
    struct stat status {};
    if (!mapping.has_file() || !stat_mapped_file(tid, mapping, status))
        return;
    if (S_ISCHR(status.st_mode) && status.st_rdev != ::makedev(memory_devices, zero))
        unfaithful_.add("memory of a device: " + mapping.path, writer_.events());
    else if (mapping.changes_unseen() && !S_ISCHR(status.st_mode))
        unfaithful_.add("memory shared through a file, which others may have written to: " + mapping.path,
                        writer_.events());
}

} // namespace retrograde
