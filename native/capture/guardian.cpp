#include "capture/guardian.h"

#include "base/failure.h"
#include "config.h"

#include <bpf/bpf.h>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

namespace retrograde {

namespace {

constexpr int rounds = 40;
constexpr timespec pause_between{0, 25'000'000};

// Only system calls from here on: this is the child of a process that may have had threads.

bool is_stopped(unsigned tid) {
    char path[32], text[512];
    std::snprintf(path, sizeof path, "/proc/%u/stat", tid);
    int file = ::open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return false;
    ssize_t length = ::read(file, text, sizeof text - 1);
    ::close(file);
    text[length > 0 ? length : 0] = 0;
    const char *name_end = std::strrchr(text, ')');
    return name_end && name_end[1] == ' ' && (name_end[2] == 'T' || name_end[2] == 't');
}

void let_go_on(int holds_map) {
    // Threads may still be on their way into the stop: several rounds.
    for (int round = 0; round < rounds; round++) {
        __u32 tid, *before = nullptr, key;
        while (bpf_map_get_next_key(holds_map, before, &tid) == 0) {
            rg_hold hold;
            key = tid;
            before = &key;
            if (bpf_map_lookup_elem(holds_map, &tid, &hold) == 0 && is_stopped(tid))
                ::kill(static_cast<pid_t>(hold.event.pid), SIGCONT);
        }
        ::nanosleep(&pause_between, nullptr);
    }
}

[[noreturn]] void guard(int pipe, int holds_map) {
    // Ctrl-C and the like are for the capture, and its files are not ours to keep open.
    ::setsid();
    ::prctl(PR_SET_NAME, "retrograde-guard");
    ::dup2(pipe, 0);
    ::dup2(holds_map, 1);
    if (::syscall(SYS_close_range, 2, ~0u, 0) != 0)
        for (int fd = 2; fd < 1024; fd++)
            ::close(fd);
    char farewell;
    ssize_t got;
    while ((got = ::read(0, &farewell, 1)) < 0 && errno == EINTR) {
    }
    if (got == 0)
        let_go_on(1);
    ::_exit(0);
}

} // namespace

Guardian::Guardian(int holds_map) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0)
        throw system_failure("cannot make a pipe");
    sigset_t all, before;
    ::sigfillset(&all);
    ::sigprocmask(SIG_BLOCK, &all, &before);
    pid_ = ::fork();
    if (pid_ == 0) {
        ::close(ends[1]);
        guard(ends[0], holds_map);
    }
    ::sigprocmask(SIG_SETMASK, &before, nullptr);
    ::close(ends[0]);
    pipe_.reset(ends[1]);
    if (pid_ < 0)
        throw system_failure("cannot fork");
}

void Guardian::leave_alone() {
    pipe_.reset();
}

void Guardian::dismiss() {
    if (!dismissed_ && pipe_)
        dismissed_ = ::write(pipe_.get(), "q", 1) == 1;
}

Guardian::~Guardian() {
    dismiss();
    if (dismissed_)
        ::waitpid(pid_, nullptr, 0);
}

} // namespace retrograde
