// memory-oracle: runs a command under ptrace and checks that each byte of its writable memory that changes during a
// system call lies in an `out` range of the syscall table. What it reports, a replay would get wrong.
#include "capture/call_memory.h"
#include "capture/process_facts.h"
#include "capture/syscall_table.h"
#include "oracle/report.h"
#include "oracle/snapshot.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <elf.h>
#include <fcntl.h>
#include <limits>
#include <linux/audit.h>
#include <linux/sched.h>
#include <map>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <tuple>
#include <unistd.h>
#include <utility>

namespace retrograde::oracle {

namespace {

constexpr long trace_options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
                               PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
#if defined(__x86_64__)
constexpr std::uint32_t native_arch = AUDIT_ARCH_X86_64;
#else
constexpr std::uint32_t native_arch = AUDIT_ARCH_AARCH64;
#endif
// A program with much memory and many calls would take hours: past this many bytes every call by that name is checked
// for the first time, and then one in so many.
constexpr std::uint64_t full_bytes = 4ull << 30;
constexpr std::uint64_t always_checked = 30, one_in = 32;
// How long a call may take while the other threads are stopped.
constexpr int tries = 600;
constexpr useconds_t pause_us = 50;

struct Range {
    std::uint64_t start, end;
};

struct Thread {
    pid_t pid = 0;
    rg_event event{}, interrupted{}; // the call, and the one that restart_syscall continues
    std::uint64_t deref = 0;
    MemorySnapshot before;
    std::uint64_t clear_word = 0; // where the kernel writes 0 when the thread ends
    bool in_call = false;         // and is being checked
    bool in_kernel = false;       // between the start of a call and its end
    bool borrows = false;         // runs in the memory of another process, until its exec
    bool awaits_execve = false;
    bool known = false; // its parent has told of it
    int early_status = 0;
};

class Oracle {
  public:
    // `taken_for`: calls that are checked as if they were others, which is how a test sees that errors are found.
    Oracle(Report &report, std::map<int, int> taken_for) : report_(report), taken_for_(std::move(taken_for)) {}
    int run(char **command);

  private:
    void handle(pid_t tid, int status);
    bool on_enter(pid_t tid, Thread &thread, const __ptrace_syscall_info &info);
    void stop_companions(pid_t tid, const Thread &thread);
    template <typename HasCome> bool go_alone(pid_t tid, Thread &thread, HasCome has_come);
    bool run_alone(pid_t tid, Thread &thread);
    bool watch_end(pid_t tid, Thread &thread);
    std::vector<pid_t> companions(pid_t tid, const Thread &thread) const;
    void add_calls_in_flight(pid_t tid, const Thread &thread, std::vector<Range> &ranges) const;
    void on_exit(pid_t tid, Thread &thread, std::int64_t result);
    void on_child(pid_t tid, Thread &thread);
    void on_exec(pid_t tid);
    void check(pid_t tid, Thread &thread);
    void compare(pid_t tid, Thread &thread, const std::vector<Range> &declared, const std::vector<Range> &ignored);
    std::string exclusion(const Thread &thread) const;
    bool is_due(const std::string &call);

    Report &report_;
    std::map<int, int> taken_for_;
    std::map<pid_t, Thread> threads_;
    std::map<pid_t, std::string> programs_;     // by process
    std::deque<std::pair<pid_t, int>> pending_; // stops that have been taken and not been handled
    std::map<std::string, std::uint64_t> seen_;
    std::uint64_t spent_ = 0;
};

std::string call_name(int nr) {
    const char *name = syscall_name(nr);
    return name ? name : "syscall " + std::to_string(nr);
}

bool shares_address_space(const Thread &thread) {
    const rg_event &event = thread.event;
    if (event.nr == SYS_clone)
        return event.args[0] & CLONE_VM;
    std::uint64_t flags = 0;
    if (event.nr == SYS_clone3)
        ProcessMemory(static_cast<pid_t>(event.tid)).get(event.args[0], flags);
#ifdef SYS_vfork
    if (event.nr == SYS_vfork)
        return true;
#endif
    return flags & CLONE_VM;
}

// Where the thread that the call makes has the word that is cleared at its end, or 0.
std::uint64_t clear_word_of_child(const rg_event &event) {
#if defined(__x86_64__)
    constexpr unsigned child_tid = 3;
#else
    constexpr unsigned child_tid = 4;
#endif
    if (event.nr == SYS_clone)
        return event.args[0] & CLONE_CHILD_CLEARTID ? event.args[child_tid] : 0;
    clone_args arguments{};
    if (event.nr == SYS_clone3)
        ProcessMemory(static_cast<pid_t>(event.tid))
            .read(event.args[0], &arguments, std::min<std::uint64_t>(event.args[1], sizeof arguments));
    return arguments.flags & CLONE_CHILD_CLEARTID ? arguments.child_tid : 0;
}

// The words that the kernel may write when the thread ends: the one to clear, and those on its robust list (kernel/
// fork.c, mm_release; kernel/futex/core.c, exit_robust_list).
std::vector<Range> words_of_end(pid_t tid, const Thread &thread) {
    constexpr std::size_t longest_list = 2048; // ROBUST_LIST_LIMIT
    constexpr std::uint64_t word = 4, is_pi = 1;
    const ProcessMemory memory(tid);
    std::vector<Range> words{{thread.clear_word, thread.clear_word + word}};
    std::uint64_t address = 0, length = 0, entry;
    struct {
        std::uint64_t next, futex_offset, pending;
    } head;
    if (::syscall(SYS_get_robust_list, tid, &address, &length) != 0 || !memory.get(address, head))
        return words;
    auto add = [&](std::uint64_t at) {
        at = (at & ~is_pi) + head.futex_offset;
        words.push_back({at, at + word});
    };
    if (head.pending)
        add(head.pending);
    for (entry = head.next; (entry & ~is_pi) != address && words.size() < longest_list;) {
        add(entry);
        if (!memory.get(entry & ~is_pi, entry))
            break;
    }
    return words;
}

// Memory that the call maps, unmaps or drops, which is no result but the address space itself.
std::vector<Range> remapped(const rg_event &event) {
    const auto &a = event.args;
    const auto result = static_cast<std::uint64_t>(event.result);
    auto range = [](std::uint64_t start, std::uint64_t length) {
        return Range{start, start + (length + 4095) / 4096 * 4096};
    };
    switch (event.nr) {
    case SYS_mmap:
        return {range(result, a[1])};
    case SYS_mremap:
        return {range(a[0], a[1]), range(result, a[2])};
    case SYS_munmap:
    case SYS_mprotect:
    case SYS_madvise:
    case SYS_remap_file_pages:
        return {range(a[0], a[1])};
    case SYS_shmat:
        return {range(result, 1ull << 30)};
    default:
        return {};
    }
}

int Oracle::run(char **command) {
    int release[2];
    if (::pipe2(release, O_CLOEXEC) != 0)
        return 1;
    const pid_t child = ::fork();
    if (child == 0) {
        char go;
        if (::read(release[0], &go, 1) != 1)
            ::_exit(127);
        ::execvp(command[0], command);
        std::fprintf(stderr, "memory-oracle: cannot run %s: %s\n", command[0], std::strerror(errno));
        ::_exit(127);
    }
    if (child < 0 || ::ptrace(PTRACE_SEIZE, child, nullptr, trace_options) != 0) {
        std::fprintf(stderr, "memory-oracle: cannot trace: %s\n", std::strerror(errno));
        ::exit(3);
    }
    Thread &thread = threads_[child];
    thread.pid = child;
    thread.awaits_execve = thread.known = true;
    ::ptrace(PTRACE_INTERRUPT, child, nullptr, nullptr);
    int status = 0, last = 0;
    ::waitpid(child, &status, __WALL);
    handle(child, status);
    if (::write(release[1], "g", 1) != 1)
        return 1;
    while (true) {
        pid_t tid;
        if (!pending_.empty()) {
            std::tie(tid, status) = pending_.front();
            pending_.pop_front();
        } else if ((tid = ::waitpid(-1, &status, __WALL)) <= 0) {
            break;
        }
        if (!WIFSTOPPED(status) && tid == child)
            last = status;
        handle(tid, status);
    }
    return last;
}

void Oracle::handle(pid_t tid, int status) {
    if (!WIFSTOPPED(status)) {
        threads_.erase(tid);
        return;
    }
    Thread &thread = threads_[tid];
    if (!thread.known) {
        thread.early_status = status;
        return;
    }
    const int signal = WSTOPSIG(status), event = status >> 16;
    int deliver = 0;
    if (event == 0 && signal == (SIGTRAP | 0x80)) {
        __ptrace_syscall_info info{};
        ::ptrace(static_cast<__ptrace_request>(PTRACE_GET_SYSCALL_INFO), tid, sizeof info, &info);
        if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
            thread.in_kernel = true;
            if (on_enter(tid, thread, info))
                return;
        } else if (info.op == PTRACE_SYSCALL_INFO_EXIT) {
            thread.in_kernel = false;
            on_exit(tid, thread, info.exit.rval);
        }
    } else if (event == 0) {
        deliver = signal;
    } else if (event == PTRACE_EVENT_STOP && signal != SIGTRAP) {
        ::ptrace(PTRACE_LISTEN, tid, nullptr, nullptr);
        return;
    } else if (event == PTRACE_EVENT_CLONE || event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK) {
        on_child(tid, thread);
    } else if (event == PTRACE_EVENT_EXEC) {
        on_exec(tid);
    }
    ::ptrace(PTRACE_SYSCALL, tid, nullptr, static_cast<long>(deliver));
}

bool Oracle::is_due(const std::string &call) {
    const std::uint64_t times = seen_[call]++;
    return times < always_checked || spent_ < full_bytes || times % one_in == 0;
}

// Why a call cannot be compared, or nothing.
std::string Oracle::exclusion(const Thread &thread) const {
    if (thread.event.flags & RG_COMPAT)
        return "32-bit call";
    if (thread.borrows)
        return "runs in the memory of a process with threads";
    const auto others = companions(static_cast<pid_t>(thread.event.tid), thread);
    for (pid_t other : others)
        if (threads_.at(other).in_kernel && threads_.at(other).event.nr == SYS_exit)
            return "another thread is ending";
    if (shares_address_space(thread))
        return "the child runs in the same memory";
    return "";
}

// The other threads of its process.
std::vector<pid_t> Oracle::companions(pid_t tid, const Thread &thread) const {
    std::vector<pid_t> others;
    for (const auto &[other, state] : threads_)
        if (other != tid && state.pid == thread.pid)
            others.push_back(other);
    return others;
}

// Lets no other thread of the process run in user mode; those that are in a call go on, since they can change only what
// their own calls declare, and what they report waits.
void Oracle::stop_companions(pid_t tid, const Thread &thread) {
    auto is_pending = [&](pid_t other) {
        return std::any_of(pending_.begin(), pending_.end(), [&](const auto &stop) { return stop.first == other; });
    };
    int status = 0;
    for (pid_t other : companions(tid, thread)) {
        if (threads_.at(other).in_kernel || is_pending(other))
            continue;
        ::ptrace(PTRACE_INTERRUPT, other, nullptr, nullptr);
        if (::waitpid(other, &status, __WALL) == other)
            pending_.emplace_back(other, status);
    }
}

// Lets the thread go on while the other threads of its process, stopped before, stay so. Returns false where what is
// waited for does not come in time, maybe because it waits for one of the others.
template <typename HasCome> bool Oracle::go_alone(pid_t tid, Thread &thread, HasCome has_come) {
    thread.before.take(tid, false);
    spent_ += 2 * thread.before.size();
    ::ptrace(PTRACE_SYSCALL, tid, nullptr, nullptr);
    for (int i = 0; i < tries; i++) {
        if (has_come())
            return true;
        ::usleep(pause_us);
    }
    thread.before.drop();
    return false;
}

// Makes the call while the other threads of the process are stopped. Returns false where the call did not end in time:
// then it goes on with the others, unchecked.
bool Oracle::run_alone(pid_t tid, Thread &thread) {
    stop_companions(tid, thread);
    return go_alone(tid, thread, [&] {
        int status = 0;
        if (::waitpid(tid, &status, __WALL | WNOHANG) != tid)
            return false;
        pending_.emplace_front(tid, status);
        return true;
    });
}

// Lets the thread end while the others of its process are stopped, and looks through one of them at what that wrote.
// Returns whether it has let the thread go on.
bool Oracle::watch_end(pid_t tid, Thread &thread) {
    const std::vector<pid_t> others = companions(tid, thread);
    if (others.empty()) {
        report_.excluded("exit", "its memory ends with it");
        return false;
    }
    stop_companions(tid, thread);
    const std::vector<Range> words = words_of_end(tid, thread);
    const bool has_ended = go_alone(tid, thread, [&] {
        // A process's first thread is waited for in vain until the others have ended.
        const std::string state = read_proc_file(tid, "stat", 1 << 12);
        const std::size_t name_end = state.rfind(") ");
        return name_end == std::string::npos || std::strchr("ZX", state[name_end + 2]);
    });
    if (!has_ended) {
        report_.excluded("exit", "did not end while the other threads were stopped");
        return true;
    }
    std::vector<Range> ignored;
    add_calls_in_flight(tid, thread, ignored);
    compare(others.front(), thread, words, ignored);
    threads_.erase(tid);
    return true;
}

// What the calls that other threads are in may write meanwhile, however they end.
void Oracle::add_calls_in_flight(pid_t tid, const Thread &thread, std::vector<Range> &ranges) const {
    for (pid_t other : companions(tid, thread)) {
        const Thread &state = threads_.at(other);
        if (!state.in_kernel)
            continue;
        rg_event event = state.event.nr == SYS_restart_syscall ? state.interrupted : state.event;
        event.result = std::numeric_limits<std::int32_t>::max();
        for (const Range &range : remapped(event))
            ranges.push_back(range);
        visit_call_memory(ProcessMemory(other), event, std::numeric_limits<std::uint32_t>::max(), Snaplen{},
                          [&](const MemoryRange &range) {
                              if (range.flags & RG_SEG_OUT)
                                  ranges.push_back({range.address, range.address + range.length});
                          });
    }
}

// Returns whether it has let the thread go on.
bool Oracle::on_enter(pid_t tid, Thread &thread, const __ptrace_syscall_info &info) {
    thread.in_call = false;
    thread.event = {};
    thread.event.kind = RG_SYSCALL;
    thread.event.flags = info.arch == native_arch ? 0 : RG_COMPAT;
    thread.event.nr = static_cast<int>(info.entry.nr);
    if (auto other = taken_for_.find(thread.event.nr); other != taken_for_.end())
        thread.event.nr = other->second;
    thread.event.pid = static_cast<__u32>(thread.pid);
    thread.event.tid = static_cast<__u32>(tid);
    std::copy_n(info.entry.args, 6, thread.event.args);
    if (thread.event.nr == SYS_set_tid_address)
        thread.clear_word = thread.event.args[0];
    if (thread.awaits_execve) {
        if (thread.event.nr != SYS_execve)
            return false;
        thread.awaits_execve = false;
    }
    const std::string name = call_name(thread.event.nr);
    if (std::string reason = exclusion(thread); !reason.empty()) {
        report_.excluded(name, reason);
        return false;
    }
    if (!is_due(name)) {
        report_.excluded(name, "checked often enough before");
        return false;
    }
    if (thread.event.nr == SYS_exit)
        return watch_end(tid, thread);
    thread.in_call = true;
    thread.deref = read_deref(ProcessMemory(tid), thread.event.nr, thread.event.args);
    if (!companions(tid, thread).empty()) {
        if (!run_alone(tid, thread)) {
            thread.in_call = false;
            report_.excluded(name, "did not end while the other threads were stopped");
        }
        return true;
    }
    // Memory that is shared with another process changes at any time.
    thread.before.take(tid, threads_.size() == 1);
    spent_ += 2 * thread.before.size();
    return false;
}

void Oracle::on_exit(pid_t tid, Thread &thread, std::int64_t result) {
    if (thread.in_call) {
        thread.in_call = false;
        thread.event.result = result;
        check(tid, thread);
        if (result == -516 && thread.event.nr != SYS_restart_syscall) // ERESTART_RESTARTBLOCK, include/linux/errno.h
            thread.interrupted = thread.event;
    }
    thread.before.drop();
}

void Oracle::check(pid_t tid, Thread &thread) {
    std::vector<Range> declared, ignored;
    if (thread.event.result >= 0 || thread.event.result < -4095)
        ignored = remapped(thread.event);
    add_calls_in_flight(tid, thread, ignored);
    rg_event whole = thread.event.nr == SYS_restart_syscall ? thread.interrupted : thread.event;
    whole.result = thread.event.result;
    visit_call_memory(ProcessMemory(tid), whole, thread.deref, Snaplen{}, [&](const MemoryRange &range) {
        if (range.flags & RG_SEG_OUT)
            declared.push_back({range.address, range.address + range.length});
    });
    compare(tid, thread, declared, ignored);
}

// Reports what has changed in the thread's memory, which `tid` shows.
void Oracle::compare(pid_t tid, Thread &thread, const std::vector<Range> &declared, const std::vector<Range> &ignored) {
    const std::string name = call_name(thread.event.nr);
    auto holds = [](const std::vector<Range> &ranges, std::uint64_t address) {
        return std::any_of(ranges.begin(), ranges.end(),
                           [&](const Range &range) { return address >= range.start && address < range.end; });
    };
    // A violation's bytes are reported together though some of them happened to keep their value.
    constexpr std::uint64_t gap = 16;
    Range bad{0, 0};
    std::string bad_mapping;
    auto report_bad = [&] {
        if (bad.end > bad.start)
            report_.violation(programs_[thread.pid], name, thread.event, bad.start, bad.end - bad.start, bad_mapping);
        bad = {0, 0};
    };
    const std::uint64_t bytes =
        thread.before.compare(tid, [&](std::uint64_t address, std::uint64_t length, const Mapping &mapping) {
            for (std::uint64_t at = address; at < address + length; at++) {
                if (holds(ignored, at))
                    continue;
                if (holds(declared, at)) {
                    report_.declared(1);
                    continue;
                }
                if (at < bad.start || at > bad.end + gap) {
                    report_bad();
                    bad = {at, at};
                    bad_mapping = mapping.name.empty() ? "anonymous" : mapping.name;
                }
                bad.end = at + 1;
            }
        });
    report_bad();
    report_.checked(name, bytes);
}

void Oracle::on_child(pid_t tid, Thread &thread) {
    unsigned long message = 0;
    ::ptrace(PTRACE_GETEVENTMSG, tid, nullptr, &message);
    const auto child = static_cast<pid_t>(message);
    const ProcessFacts facts = read_process_facts(child);
    Thread &made = threads_[child];
    made.known = true;
    made.pid = facts.found ? facts.pid : child;
    made.clear_word = clear_word_of_child(thread.event);
    if (made.pid != thread.pid && shares_address_space(thread))
        made.borrows = thread.borrows || companions(tid, thread).size() > 0;
    programs_.try_emplace(made.pid, programs_[thread.pid]);
    if (made.early_status) {
        const int status = std::exchange(made.early_status, 0);
        handle(child, status);
    }
}

void Oracle::on_exec(pid_t tid) {
    unsigned long former = 0;
    ::ptrace(PTRACE_GETEVENTMSG, tid, nullptr, &former);
    if (former && static_cast<pid_t>(former) != tid)
        threads_.erase(static_cast<pid_t>(former));
    Thread &thread = threads_[tid];
    thread.in_call = thread.borrows = false; // its memory is another now
    thread.clear_word = 0;
    thread.pid = tid;
    std::erase_if(pending_, [&](const auto &stop) { return stop.first == static_cast<pid_t>(former) && former; });
    thread.before.drop();
    char link[4096];
    const ssize_t length = ::readlink(("/proc/" + std::to_string(tid) + "/exe").c_str(), link, sizeof link);
    programs_[tid] = length > 0 ? std::string(link, static_cast<std::size_t>(length)) : "?";
    report_.program(programs_[tid]);
}

} // namespace

} // namespace retrograde::oracle

int main(int argc, char **argv) {
    using namespace retrograde::oracle;
    FILE *output = stderr;
    std::map<int, int> taken_for;
    int first = 1;
    for (; first + 1 < argc && std::strncmp(argv[first], "--", 3) != 0 && argv[first][0] == '-'; first += 2) {
        const std::string option = argv[first], value = argv[first + 1];
        const std::size_t equals = value.find('=');
        if (option == "--output") {
            output = std::fopen(value.c_str(), "ae");
        } else if (option == "--take-for" && equals != std::string::npos) {
            taken_for[retrograde::syscall_number(value.substr(0, equals))] =
                retrograde::syscall_number(value.substr(equals + 1));
        } else {
            first = argc;
            break;
        }
        if (!output) {
            std::fprintf(stderr, "memory-oracle: cannot write %s: %s\n", value.c_str(), std::strerror(errno));
            return 1;
        }
    }
    if (first < argc && std::strcmp(argv[first], "--") == 0)
        first++;
    if (first >= argc) {
        std::fprintf(stderr, "usage: memory-oracle [--output FILE] [--take-for CALL=OTHER] [--] COMMAND [ARGUMENT...]\n"
                             "Exits with 1 when memory changed outside the ranges of the syscall table.\n");
        return 2;
    }
    Report report(output);
    Oracle oracle(report, taken_for);
    const int status = oracle.run(argv + first);
    return report.summary(status) == 0 ? 0 : 1;
}
