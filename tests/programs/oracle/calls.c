/*
 * One case for each system call: makes it, on poisoned memory, so that every byte the kernel writes is a change.
 * usage: calls CASE | calls --list. Exits with 77 where this kernel does not have the call (ENOSYS) or forbids it.
 */
#define _GNU_SOURCE
#include <asm/prctl.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/aio_abi.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/futex.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/timex.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum { poison = 0x5a, arena_size = 1 << 18, slot_size = 1 << 14 };

static unsigned char *arena;
static int next_slot;

/* Poisoned memory, away from all other. */
static void *slot(void) {
    return arena + slot_size * (next_slot++ % (arena_size / slot_size)) + 512;
}

static long result(long value) {
    if (value == -1 && (errno == ENOSYS || errno == EPERM))
        exit(77);
    return value;
}
#define CALL(name, ...) result(syscall(SYS_##name, ##__VA_ARGS__))

static int file_with_data(void) {
    char name[] = "/tmp/oracle-calls-XXXXXX";
    int fd = mkstemp(name);
    unlink(name);
    for (int i = 0; i < 1000; i++)
        if (write(fd, "some data ", 10) != 10)
            exit(1);
    lseek(fd, 0, SEEK_SET);
    return fd;
}

static void pair(int ends[2], int type) {
    if (socketpair(AF_UNIX, type, 0, ends))
        exit(1);
}

/* A bound listener and a connected client on loopback. */
static int listener(struct sockaddr_in *address) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    socklen_t length = sizeof *address;
    *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    if (bind(fd, (void *)address, length) || listen(fd, 1) || getsockname(fd, (void *)address, &length))
        exit(1);
    return fd;
}

static socklen_t *length_slot(socklen_t value) {
    socklen_t *length = slot();
    *length = value;
    return length;
}

static struct iovec *iovecs(int count, size_t each) {
    struct iovec *vector = slot();
    for (int i = 0; i < count; i++)
        vector[i] = (struct iovec){slot(), each};
    return vector;
}

static void on_signal(int number) {
    (void)number;
}

static struct test_case {
    const char *name;
    void (*run)(void);
} cases[512];
static int case_count;

#define CASE(name)                                                                                                     \
    static void case_##name(void);                                                                                     \
    __attribute__((constructor)) static void add_##name(void) {                                                        \
        cases[case_count++] = (struct test_case){#name, case_##name};                                                  \
    }                                                                                                                  \
    static void case_##name(void)

CASE(read) {
    CALL(read, file_with_data(), slot(), 5000);
}
CASE(read_short) {
    int e[2];
    pair(e, SOCK_STREAM);
    write(e[0], "abc", 3);
    CALL(read, e[1], slot(), 4096);
}
CASE(pread64) {
    CALL(pread64, file_with_data(), slot(), 300, 77);
}
CASE(readv) {
    CALL(readv, file_with_data(), iovecs(3, 700), 3);
}
CASE(readv_short) {
    int e[2];
    pair(e, SOCK_STREAM);
    write(e[0], "0123456789", 10);
    CALL(readv, e[1], iovecs(3, 4), 3);
}
CASE(preadv) {
    CALL(preadv, file_with_data(), iovecs(2, 100), 2, 5, 0);
}
CASE(preadv2) {
    CALL(preadv2, file_with_data(), iovecs(2, 100), 2, 5, 0, 0);
}
CASE(write) {
    CALL(write, file_with_data(), slot(), 100);
}
CASE(sendfile) {
    int e[2];
    pair(e, SOCK_STREAM);
    off_t *o = slot();
    *o = 3;
    CALL(sendfile, e[0], file_with_data(), o, 100);
}
CASE(splice) {
    int p[2];
    if (pipe(p))
        exit(1);
    loff_t *o = slot();
    *o = 3;
    CALL(splice, file_with_data(), o, p[1], 0, 100, 0);
}
CASE(copy_file_range) {
    loff_t *a = slot(), *b = slot();
    *a = 3;
    *b = 20000;
    CALL(copy_file_range, file_with_data(), a, file_with_data(), b, 100, 0);
}
CASE(vmsplice) {
    int p[2];
    if (pipe(p))
        exit(1);
    write(p[1], "abcdef", 6);
    CALL(vmsplice, p[0], iovecs(1, 4), 1, 0);
}
CASE(getdents64) {
    CALL(getdents64, open("/etc", O_RDONLY), slot(), 4096);
}
#ifdef SYS_getdents
CASE(getdents) {
    CALL(getdents, open("/etc", O_RDONLY), slot(), 4096);
}
CASE(stat) {
    CALL(stat, "/etc", slot());
}
CASE(lstat) {
    CALL(lstat, "/etc", slot());
}
CASE(pipe) {
    CALL(pipe, slot());
}
CASE(readlink) {
    CALL(readlink, "/proc/self/exe", slot(), 4096);
}
CASE(time) {
    CALL(time, slot());
}
CASE(select) {
    int e[2];
    pair(e, SOCK_STREAM);
    write(e[0], "a", 1);
    fd_set *r = slot(), *w = slot(), *x = slot();
    FD_ZERO(r);
    FD_ZERO(w);
    FD_ZERO(x);
    FD_SET(e[1], r);
    FD_SET(e[0], w);
    struct timeval *t = slot();
    *t = (struct timeval){1, 5};
    CALL(select, e[1] + 1, r, w, x, t);
}
CASE(poll) {
    int e[2];
    pair(e, SOCK_STREAM);
    write(e[0], "a", 1);
    struct pollfd *p = slot();
    p[0] = (struct pollfd){e[0], POLLIN, 0x5a5a};
    p[1] = (struct pollfd){e[1], POLLIN, 0x5a5a};
    CALL(poll, p, 2, 0);
}
CASE(epoll_wait) {
    int e[2], q = epoll_create1(0);
    pair(e, SOCK_STREAM);
    write(e[0], "a", 1);
    struct epoll_event v = {EPOLLIN, {.u64 = 7}};
    epoll_ctl(q, EPOLL_CTL_ADD, e[1], &v);
    CALL(epoll_wait, q, slot(), 8, 0);
}
CASE(arch_prctl) {
    CALL(arch_prctl, ARCH_GET_FS, slot());
}
CASE(arch_prctl_gs) {
    CALL(arch_prctl, ARCH_GET_GS, slot());
}
CASE(ustat) {
    CALL(ustat, 0x1, slot());
}
CASE(getpgrp) {
    CALL(getpgrp);
}
CASE(modify_ldt) {
    CALL(modify_ldt, 2, slot(), 100);
}
CASE(sysfs) {
    CALL(sysfs, 2, 0, slot());
}
CASE(signalfd) {
    sigset_t *s = slot();
    sigemptyset(s);
    CALL(signalfd, -1, s, 8);
}
CASE(alarm) {
    CALL(alarm, 0);
}
#endif
CASE(fstat) {
    CALL(fstat, 0, slot());
}
CASE(newfstatat) {
    CALL(newfstatat, AT_FDCWD, "/etc", slot(), 0);
}
CASE(statx) {
    CALL(statx, AT_FDCWD, "/etc", 0, 0xfff, slot());
}
CASE(statfs) {
    CALL(statfs, "/etc", slot());
}
CASE(fstatfs) {
    CALL(fstatfs, open("/etc", O_RDONLY), slot());
}
CASE(pipe2) {
    CALL(pipe2, slot(), O_CLOEXEC);
}
CASE(readlinkat) {
    CALL(readlinkat, AT_FDCWD, "/proc/self/exe", slot(), 4096);
}
CASE(getcwd) {
    CALL(getcwd, slot(), 4096);
}
CASE(getxattr) {
    char n[] = "/tmp/oracle-xattr-XXXXXX";
    int f = mkstemp(n);
    fsetxattr(f, "user.a", "value", 5, 0);
    CALL(getxattr, n, "user.a", slot(), 100);
    unlink(n);
}
CASE(fgetxattr) {
    int f = file_with_data();
    fsetxattr(f, "user.a", "value", 5, 0);
    CALL(fgetxattr, f, "user.a", slot(), 100);
}
CASE(flistxattr) {
    int f = file_with_data();
    fsetxattr(f, "user.a", "value", 5, 0);
    CALL(flistxattr, f, slot(), 100);
}
CASE(listxattr) {
    CALL(listxattr, "/etc", slot(), 100);
}
CASE(name_to_handle_at) {
    struct file_handle *h = slot();
    h->handle_bytes = 100;
    CALL(name_to_handle_at, AT_FDCWD, "/etc", h, slot(), 0);
}
CASE(name_to_handle_at_small) {
    struct file_handle *h = slot();
    h->handle_bytes = 0;
    CALL(name_to_handle_at, AT_FDCWD, "/etc", h, slot(), 0);
}
CASE(fcntl_getlk) {
    struct flock *l = slot();
    *l = (struct flock){.l_type = F_WRLCK};
    CALL(fcntl, file_with_data(), F_GETLK, l);
}
CASE(fcntl_ofd_getlk) {
    struct flock *l = slot();
    *l = (struct flock){.l_type = F_WRLCK};
    CALL(fcntl, file_with_data(), F_OFD_GETLK, l);
}
CASE(fcntl_getown_ex) {
    CALL(fcntl, file_with_data(), F_GETOWN_EX, slot());
}
CASE(fcntl_rw_hint) {
    CALL(fcntl, file_with_data(), F_GET_RW_HINT, slot());
}
CASE(ioctl_fionread) {
    int e[2];
    pair(e, SOCK_STREAM);
    CALL(ioctl, e[0], FIONREAD, slot());
}
CASE(ioctl_tcgets) {
    CALL(ioctl, posix_openpt(O_RDWR), TCGETS, slot());
}
CASE(ioctl_tiocgwinsz) {
    CALL(ioctl, posix_openpt(O_RDWR), TIOCGWINSZ, slot());
}
CASE(ioctl_tiocgptn) {
    CALL(ioctl, posix_openpt(O_RDWR), TIOCGPTN, slot());
}
CASE(ioctl_fs_flags) {
    CALL(ioctl, open("/etc", O_RDONLY), FS_IOC_GETFLAGS, slot());
}
CASE(ioctl_figetbsz) {
    CALL(ioctl, open("/etc", O_RDONLY), FIGETBSZ, slot());
}
CASE(ioctl_ifconf) {
    long *c = slot();
    c[0] = 200;
    c[1] = (long)slot();
    CALL(ioctl, socket(AF_INET, SOCK_DGRAM, 0), 0x8912, c);
}
CASE(ioctl_ifflags) {
    char *r = slot();
    memset(r, 0, 40);
    strcpy(r, "lo");
    CALL(ioctl, socket(AF_INET, SOCK_DGRAM, 0), 0x8913, r);
}
CASE(file_getattr) {
    CALL(open, "/", 0);
    result(syscall(468, AT_FDCWD, "/etc", slot(), 24, 0));
}
CASE(statmount) {
    uint64_t *q = slot();
    struct statx x;
    if (statx(AT_FDCWD, "/", 0, 0x4000, &x))
        exit(77);
    q[0] = 32;
    q[1] = x.stx_mnt_id;
    q[2] = 0x3f;
    q[3] = 0;
    result(syscall(457, q, slot(), 4096, 0));
}
CASE(listmount) {
    uint64_t *q = slot();
    q[0] = 24;
    q[1] = 0xffffffffffffffffull;
    q[2] = 0;
    result(syscall(458, q, slot(), 20, 0));
}
CASE(cachestat) {
    uint64_t *r = slot();
    r[0] = r[1] = 0;
    result(syscall(451, file_with_data(), r, slot(), 0));
}
CASE(mincore) {
    void *m = mmap(0, 1 << 16, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CALL(mincore, m, 1 << 16, slot());
}
CASE(get_mempolicy) {
    CALL(get_mempolicy, slot(), slot(), 1024, 0, 0);
}
CASE(move_pages) {
    void **p = slot();
    p[0] = arena;
    p[1] = arena + 8192;
    CALL(move_pages, 0, 2, p, 0, slot(), 0);
}
CASE(getrandom) {
    CALL(getrandom, slot(), 123, 0);
}
CASE(uname) {
    CALL(uname, slot());
}
CASE(sysinfo) {
    CALL(sysinfo, slot());
}
CASE(syslog) {
    CALL(syslog, 3, slot(), 1000);
}
CASE(getrlimit) {
    CALL(getrlimit, RLIMIT_NOFILE, slot());
}
CASE(prlimit64) {
    CALL(prlimit64, 0, RLIMIT_NOFILE, 0, slot());
}
CASE(getrusage) {
    CALL(getrusage, RUSAGE_SELF, slot());
}
CASE(times) {
    CALL(times, slot());
}
CASE(getcpu) {
    CALL(getcpu, slot(), slot(), 0);
}
CASE(getgroups) {
    CALL(getgroups, 1000, slot());
}
CASE(getresuid) {
    CALL(getresuid, slot(), slot(), slot());
}
CASE(getresgid) {
    CALL(getresgid, slot(), slot(), slot());
}
CASE(capget) {
    struct __user_cap_header_struct *h = slot();
    h->version = _LINUX_CAPABILITY_VERSION_3;
    h->pid = 0;
    CALL(capget, h, slot());
}
CASE(capget_version) {
    struct __user_cap_header_struct *h = slot();
    h->version = 1;
    h->pid = 0;
    CALL(capget, h, slot());
}
CASE(prctl_get_name) {
    CALL(prctl, PR_GET_NAME, slot(), 0, 0, 0);
}
CASE(prctl_pdeathsig) {
    CALL(prctl, PR_GET_PDEATHSIG, slot(), 0, 0, 0);
}
CASE(prctl_tid_address) {
    CALL(prctl, PR_GET_TID_ADDRESS, slot(), 0, 0, 0);
}
CASE(prctl_subreaper) {
    CALL(prctl, PR_GET_CHILD_SUBREAPER, slot(), 0, 0, 0);
}
CASE(prctl_tsc) {
    CALL(prctl, PR_GET_TSC, slot(), 0, 0, 0);
}
CASE(get_robust_list) {
    CALL(get_robust_list, 0, slot(), slot());
}
CASE(sched_getaffinity) {
    CALL(sched_getaffinity, 0, 128, slot());
}
CASE(sched_getparam) {
    CALL(sched_getparam, 0, slot());
}
CASE(sched_getattr) {
    CALL(sched_getattr, 0, slot(), 56, 0);
}
CASE(sched_rr_get_interval) {
    CALL(sched_rr_get_interval, 0, slot());
}
CASE(clock_gettime) {
    CALL(clock_gettime, CLOCK_REALTIME, slot());
}
CASE(clock_getres) {
    CALL(clock_getres, CLOCK_REALTIME, slot());
}
CASE(clock_adjtime) {
    struct timex *t = slot();
    memset(t, 0, sizeof *t);
    CALL(clock_adjtime, CLOCK_REALTIME, t);
}
CASE(adjtimex) {
    struct timex *t = slot();
    memset(t, 0, sizeof *t);
    CALL(adjtimex, t);
}
CASE(gettimeofday) {
    CALL(gettimeofday, slot(), slot());
}
CASE(getitimer) {
    CALL(getitimer, ITIMER_REAL, slot());
}
CASE(setitimer) {
    struct itimerval *t = slot();
    memset(t, 0, sizeof *t);
    CALL(setitimer, ITIMER_REAL, t, slot());
}
CASE(timer_create) {
    CALL(timer_create, CLOCK_MONOTONIC, 0, slot());
}
CASE(timer_gettime) {
    int *t = slot();
    CALL(timer_create, CLOCK_MONOTONIC, 0, t);
    CALL(timer_gettime, *t, slot());
}
CASE(timer_settime) {
    int *t = slot();
    CALL(timer_create, CLOCK_MONOTONIC, 0, t);
    struct itimerspec *s = slot();
    memset(s, 0, sizeof *s);
    CALL(timer_settime, *t, 0, s, slot());
}
CASE(timerfd_gettime) {
    CALL(timerfd_gettime, timerfd_create(CLOCK_MONOTONIC, 0), slot());
}
CASE(timerfd_settime) {
    struct itimerspec *s = slot();
    memset(s, 0, sizeof *s);
    CALL(timerfd_settime, timerfd_create(CLOCK_MONOTONIC, 0), 0, s, slot());
}
static void interrupt_soon(void) {
    struct sigaction a = {.sa_handler = on_signal};
    sigaction(SIGALRM, &a, NULL);
    struct itimerval t = {{0, 0}, {0, 50000}};
    setitimer(ITIMER_REAL, &t, NULL);
}
CASE(nanosleep) {
    struct timespec *t = slot();
    *t = (struct timespec){0, 1000};
    CALL(nanosleep, t, slot());
}
CASE(nanosleep_interrupted) {
    interrupt_soon();
    struct timespec *t = slot();
    *t = (struct timespec){5, 0};
    CALL(nanosleep, t, slot());
}
CASE(clock_nanosleep_interrupted) {
    interrupt_soon();
    struct timespec *t = slot();
    *t = (struct timespec){5, 0};
    CALL(clock_nanosleep, CLOCK_MONOTONIC, 0, t, slot());
}
CASE(ppoll) {
    int e[2];
    pair(e, SOCK_STREAM);
    struct pollfd *p = slot();
    p[0] = (struct pollfd){e[0], POLLOUT, 0x5a5a};
    struct timespec *t = slot();
    *t = (struct timespec){1, 5};
    CALL(ppoll, p, 1, t, 0, 8);
}
CASE(ppoll_timeout) {
    struct timespec *t = slot();
    *t = (struct timespec){0, 1000};
    CALL(ppoll, 0, 0, t, 0, 8);
}
CASE(pselect6) {
    int e[2];
    pair(e, SOCK_STREAM);
    fd_set *w = slot();
    FD_ZERO(w);
    FD_SET(e[0], w);
    struct timespec *t = slot();
    *t = (struct timespec){1, 5};
    CALL(pselect6, e[1] + 1, 0, w, 0, t, 0);
}
CASE(epoll_pwait) {
    int e[2], q = epoll_create1(0);
    pair(e, SOCK_STREAM);
    write(e[0], "a", 1);
    struct epoll_event v = {EPOLLIN, {.u64 = 7}};
    epoll_ctl(q, EPOLL_CTL_ADD, e[1], &v);
    CALL(epoll_pwait, q, slot(), 8, 0, 0, 8);
}
CASE(epoll_pwait2) {
    int e[2], q = epoll_create1(0);
    pair(e, SOCK_STREAM);
    write(e[0], "a", 1);
    struct timespec t = {0, 0};
    struct epoll_event v = {EPOLLIN, {.u64 = 7}};
    epoll_ctl(q, EPOLL_CTL_ADD, e[1], &v);
    CALL(epoll_pwait2, q, slot(), 8, &t, 0, 8);
}
CASE(eventfd_read) {
    CALL(read, eventfd(5, 0), slot(), 4096);
}
CASE(inotify_read) {
    int i = inotify_init1(IN_NONBLOCK);
    inotify_add_watch(i, "/etc", IN_OPEN | IN_ACCESS);
    close(open("/etc/passwd", O_RDONLY));
    CALL(read, i, slot(), 4096);
}
CASE(signalfd_read) {
    sigset_t s;
    sigemptyset(&s);
    sigaddset(&s, SIGUSR1);
    sigprocmask(SIG_BLOCK, &s, NULL);
    raise(SIGUSR1);
    CALL(read, signalfd(-1, &s, 0), slot(), 4096);
}
CASE(rt_sigaction) {
    CALL(rt_sigaction, SIGUSR1, 0, slot(), 8);
}
CASE(rt_sigprocmask) {
    CALL(rt_sigprocmask, SIG_BLOCK, 0, slot(), 8);
}
CASE(rt_sigpending) {
    CALL(rt_sigpending, slot(), 8);
}
CASE(rt_sigtimedwait) {
    sigset_t s;
    sigemptyset(&s);
    sigaddset(&s, SIGUSR1);
    sigprocmask(SIG_BLOCK, &s, NULL);
    raise(SIGUSR1);
    CALL(rt_sigtimedwait, &s, slot(), 0, 8);
}
CASE(sigaltstack) {
    CALL(sigaltstack, 0, slot());
}
CASE(wait4) {
    if (!fork())
        _exit(3);
    CALL(wait4, -1, slot(), 0, slot());
}
CASE(wait4_nothing) {
    CALL(wait4, -1, slot(), 0, slot());
}
CASE(wait4_nohang) {
    pid_t p = fork();
    if (!p) {
        pause();
        _exit(0);
    }
    CALL(wait4, p, slot(), WNOHANG, slot());
    kill(p, SIGKILL);
}
CASE(waitid) {
    if (!fork())
        _exit(3);
    CALL(waitid, P_ALL, 0, slot(), WEXITED, slot());
}
CASE(waitid_nohang) {
    pid_t p = fork();
    if (!p) {
        pause();
        _exit(0);
    }
    CALL(waitid, P_ALL, 0, slot(), WEXITED | WNOHANG, slot());
    kill(p, SIGKILL);
}
CASE(waitid_nothing) {
    CALL(waitid, P_ALL, 0, slot(), WEXITED, slot());
}
CASE(clone_settid) {
    if (!syscall(SYS_clone, CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | SIGCHLD, 0, slot(),
#ifdef __x86_64__
                 slot(), 0
#else
                 0, slot()
#endif
                 ))
        _exit(0);
    wait(NULL);
}
CASE(clone_pidfd) {
    if (!syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, 0, slot(), 0, 0))
        _exit(0);
    wait(NULL);
}
CASE(clone3) {
    uint64_t *a = slot();
    memset(a, 0, 88);
    a[0] = CLONE_PIDFD | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID;
    a[1] = (long)slot();
    a[2] = (long)slot();
    a[3] = (long)slot();
    a[4] = SIGCHLD;
    if (!syscall(SYS_clone3, a, 88))
        _exit(0);
    wait(NULL);
}
CASE(socketpair) {
    CALL(socketpair, AF_UNIX, SOCK_STREAM, 0, slot());
}
CASE(getsockname) {
    struct sockaddr_in a;
    CALL(getsockname, listener(&a), slot(), length_slot(100));
}
CASE(getsockname_short) {
    struct sockaddr_in a;
    CALL(getsockname, listener(&a), slot(), length_slot(5));
}
CASE(getpeername) {
    struct sockaddr_in a;
    int l = listener(&a), c = socket(AF_INET, SOCK_STREAM, 0);
    (void)l;
    connect(c, (void *)&a, sizeof a);
    CALL(getpeername, c, slot(), length_slot(100));
}
CASE(accept) {
    struct sockaddr_in a;
    int l = listener(&a), c = socket(AF_INET, SOCK_STREAM, 0);
    connect(c, (void *)&a, sizeof a);
    CALL(accept, l, slot(), length_slot(100));
}
CASE(accept4) {
    struct sockaddr_in a;
    int l = listener(&a), c = socket(AF_INET, SOCK_STREAM, 0);
    connect(c, (void *)&a, sizeof a);
    CALL(accept4, l, slot(), length_slot(3), SOCK_CLOEXEC);
}
CASE(getsockopt) {
    CALL(getsockopt, socket(AF_INET, SOCK_STREAM, 0), SOL_SOCKET, SO_SNDBUF, slot(), length_slot(100));
}
CASE(getsockopt_short) {
    CALL(getsockopt, socket(AF_INET, SOCK_STREAM, 0), SOL_SOCKET, SO_SNDBUF, slot(), length_slot(1));
}
CASE(getsockopt_linger) {
    CALL(getsockopt, socket(AF_INET, SOCK_STREAM, 0), SOL_SOCKET, SO_LINGER, slot(), length_slot(100));
}
CASE(getsockopt_tcp_info) {
    CALL(getsockopt, socket(AF_INET, SOCK_STREAM, 0), IPPROTO_TCP, TCP_INFO, slot(), length_slot(300));
}
CASE(getsockopt_peercred) {
    int e[2];
    pair(e, SOCK_STREAM);
    CALL(getsockopt, e[0], SOL_SOCKET, SO_PEERCRED, slot(), length_slot(100));
}
CASE(getsockopt_bad) {
    CALL(getsockopt, socket(AF_INET, SOCK_STREAM, 0), SOL_SOCKET, 9999, slot(), length_slot(100));
}
static int datagram(struct sockaddr_in *to) {
    int a = socket(AF_INET, SOCK_DGRAM, 0), b = socket(AF_INET, SOCK_DGRAM, 0);
    socklen_t length = sizeof *to;
    *to = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    if (bind(a, (void *)to, length) || getsockname(a, (void *)to, &length))
        exit(1);
    for (int i = 0; i < 3; i++)
        sendto(b, "datagram of some length", 10 + 4 * i, 0, (void *)to, sizeof *to);
    return a;
}
CASE(recvfrom) {
    struct sockaddr_in t;
    CALL(recvfrom, datagram(&t), slot(), 1000, 0, slot(), length_slot(100));
}
CASE(recvfrom_trunc) {
    struct sockaddr_in t;
    CALL(recvfrom, datagram(&t), slot(), 4, MSG_TRUNC, slot(), length_slot(6));
}
CASE(recvfrom_stream) {
    int e[2];
    pair(e, SOCK_STREAM);
    write(e[0], "abc", 3);
    CALL(recvfrom, e[1], slot(), 1000, 0, slot(), length_slot(100));
}
static struct msghdr *message(int count, size_t each, size_t name, size_t control) {
    struct msghdr *m = slot();
    m->msg_name = slot(), m->msg_namelen = name, m->msg_iov = iovecs(count, each), m->msg_iovlen = count;
    m->msg_control = slot(), m->msg_controllen = control, m->msg_flags = 0x5a5a;
    return m;
}
CASE(recvmsg) {
    struct sockaddr_in t;
    CALL(recvmsg, datagram(&t), message(2, 6, 100, 100), 0);
}
CASE(recvmsg_trunc) {
    struct sockaddr_in t;
    CALL(recvmsg, datagram(&t), message(1, 3, 7, 0), MSG_TRUNC);
}
CASE(recvmsg_timestamp) {
    struct sockaddr_in t;
    int d = socket(AF_INET, SOCK_DGRAM, 0), on = 1;
    socklen_t l = sizeof t;
    t = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    bind(d, (void *)&t, l);
    getsockname(d, (void *)&t, &l);
    setsockopt(d, SOL_SOCKET, SO_TIMESTAMP, &on, 4);
    setsockopt(d, IPPROTO_IP, IP_PKTINFO, &on, 4);
    sendto(d, "abc", 3, 0, (void *)&t, l);
    CALL(recvmsg, d, message(1, 10, 100, 200), 0);
}
CASE(recvmsg_rights) {
    int e[2];
    pair(e, SOCK_DGRAM);
    char c[CMSG_SPACE(8)] = {0};
    struct iovec v = {"x", 1};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = c, .msg_controllen = CMSG_LEN(8)};
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    h->cmsg_level = SOL_SOCKET;
    h->cmsg_type = SCM_RIGHTS;
    h->cmsg_len = CMSG_LEN(8);
    memcpy(CMSG_DATA(h), e, 8);
    sendmsg(e[0], &m, 0);
    CALL(recvmsg, e[1], message(1, 10, 0, 200), 0);
}
CASE(recvmsg_control_trunc) {
    int e[2], on = 1;
    pair(e, SOCK_DGRAM);
    setsockopt(e[1], SOL_SOCKET, SO_PASSCRED, &on, 4);
    write(e[0], "x", 1);
    CALL(recvmsg, e[1], message(1, 10, 0, 20), 0);
}
CASE(recvmsg_again) {
    int e[2];
    pair(e, SOCK_DGRAM);
    CALL(recvmsg, e[1], message(1, 10, 50, 20), MSG_DONTWAIT);
}
CASE(recvmmsg) {
    struct sockaddr_in t;
    int d = datagram(&t);
    struct mmsghdr *m = slot();
    for (int i = 0; i < 3; i++)
        m[i].msg_hdr = *message(1, 50, 100, 0);
    struct timespec *s = slot();
    *s = (struct timespec){1, 0};
    CALL(recvmmsg, d, m, 3, MSG_DONTWAIT, s);
}
CASE(sendmsg) {
    int e[2];
    pair(e, SOCK_DGRAM);
    struct msghdr *m = message(2, 10, 0, 0);
    m->msg_name = 0;
    m->msg_control = 0;
    CALL(sendmsg, e[0], m, 0);
}
CASE(sendmmsg) {
    int e[2];
    pair(e, SOCK_DGRAM);
    struct mmsghdr *m = slot();
    for (int i = 0; i < 2; i++) {
        m[i].msg_hdr = *message(1, 10, 0, 0);
        m[i].msg_hdr.msg_name = 0;
        m[i].msg_hdr.msg_control = 0;
    }
    CALL(sendmmsg, e[0], m, 2, 0);
}
CASE(msgrcv) {
    int q = msgget(IPC_PRIVATE, 0600);
    struct {
        long t;
        char x[20];
    } m = {5, "message"};
    msgsnd(q, &m, 8, 0);
    CALL(msgrcv, q, slot(), 100, 0, 0);
    msgctl(q, IPC_RMID, 0);
}
CASE(msgctl_stat) {
    int q = msgget(IPC_PRIVATE, 0600);
    CALL(msgctl, q, IPC_STAT, slot());
    msgctl(q, IPC_RMID, 0);
}
CASE(msgctl_info) {
    CALL(msgctl, 0, IPC_INFO, slot());
}
CASE(shmctl_stat) {
    int q = shmget(IPC_PRIVATE, 4096, 0600);
    CALL(shmctl, q, IPC_STAT, slot());
    shmctl(q, IPC_RMID, 0);
}
CASE(shmctl_info) {
    CALL(shmctl, 0, SHM_INFO, slot());
}
CASE(semctl_stat) {
    int q = semget(IPC_PRIVATE, 3, 0600);
    CALL(semctl, q, 0, IPC_STAT, slot());
    semctl(q, 0, IPC_RMID);
}
CASE(semctl_getall) {
    int q = semget(IPC_PRIVATE, 3, 0600);
    CALL(semctl, q, 0, GETALL, slot());
    semctl(q, 0, IPC_RMID);
}
CASE(semctl_info) {
    CALL(semctl, 0, 0, SEM_INFO, slot());
}
CASE(mq_timedreceive) {
    int q = mq_open("/oracle-calls", O_CREAT | O_RDWR, 0600, NULL);
    if (q < 0)
        exit(77);
    mq_unlink("/oracle-calls");
    mq_send(q, "hello", 5, 3);
    CALL(mq_timedreceive, q, slot(), 8192, slot(), 0);
}
CASE(mq_getsetattr) {
    int q = mq_open("/oracle-calls2", O_CREAT | O_RDWR, 0600, NULL);
    if (q < 0)
        exit(77);
    mq_unlink("/oracle-calls2");
    CALL(mq_getsetattr, q, 0, slot());
}
CASE(futex_wake) {
    CALL(futex, slot(), FUTEX_WAKE, 1, 0, 0, 0);
}
CASE(futex_wake_op) {
    CALL(futex, slot(), FUTEX_WAKE_OP, 1, 1, slot(), FUTEX_OP(FUTEX_OP_ADD, 1, FUTEX_OP_CMP_EQ, 0));
}
CASE(futex_lock_pi) {
    int *w = slot();
    *w = 0;
    CALL(futex, w, FUTEX_LOCK_PI, 0, 0, 0, 0);
}
CASE(futex_unlock_pi) {
    int *w = slot();
    *w = getpid();
    CALL(futex, w, FUTEX_UNLOCK_PI, 0, 0, 0, 0);
}
CASE(futex_trylock_pi) {
    int *w = slot();
    *w = 0;
    CALL(futex, w, FUTEX_TRYLOCK_PI, 0, 0, 0, 0);
}
CASE(process_vm_readv) {
    CALL(process_vm_readv, getpid(), iovecs(2, 50), 2, iovecs(1, 80), 1, 0);
}
CASE(process_vm_writev) {
    struct iovec *v = slot();
    *v = (struct iovec){"0123456789", 10};
    CALL(process_vm_writev, getpid(), v, 1, iovecs(2, 5), 2, 0);
}
CASE(pidfd_ioctl) {
    int p = CALL(pidfd_open, getpid(), 0);
    uint64_t *i = slot();
    i[0] = 7;
    CALL(ioctl, p, _IOWR(0xff, 11, char[64]), i);
}
CASE(keyctl_read) {
    long k = CALL(add_key, "user", "oracle", "payload", 7, -2);
    CALL(keyctl, 11, k, slot(), 100, 0);
}
CASE(keyctl_describe) {
    long k = CALL(add_key, "user", "oracle", "payload", 7, -2);
    CALL(keyctl, 6, k, slot(), 100, 0);
}
CASE(seccomp_sizes) {
    CALL(seccomp, 3, 0, slot());
}
CASE(seccomp_action) {
    uint32_t *a = slot();
    *a = 0x7fff0000;
    CALL(seccomp, 2, 0, a);
}
CASE(bpf_map) {
    uint32_t *a = slot();
    memset(a, 0, 72);
    a[0] = 2;
    a[1] = 4;
    a[2] = 16;
    a[3] = 4;
    long m = CALL(bpf, 0, a, 72);
    uint64_t *e = slot();
    memset(e, 0, 32);
    e[0] = m;
    uint32_t *k = slot();
    *k = 1;
    e[1] = (long)k;
    e[2] = (long)slot();
    CALL(bpf, 1, e, 32);
}
CASE(bpf_next_key) {
    uint32_t *a = slot();
    memset(a, 0, 72);
    a[0] = 2;
    a[1] = 4;
    a[2] = 16;
    a[3] = 4;
    long m = CALL(bpf, 0, a, 72);
    uint64_t *e = slot();
    memset(e, 0, 32);
    e[0] = m;
    uint32_t *k = slot();
    *k = 1;
    e[1] = (long)k;
    e[2] = (long)slot();
    CALL(bpf, 4, e, 32);
}
CASE(bpf_map_info) {
    uint32_t *a = slot();
    memset(a, 0, 72);
    a[0] = 2;
    a[1] = 4;
    a[2] = 16;
    a[3] = 4;
    long m = CALL(bpf, 0, a, 72);
    uint32_t *e = slot();
    e[0] = m;
    e[1] = 80;
    *(uint64_t *)(e + 2) = (long)slot();
    CALL(bpf, 15, e, 16);
}
CASE(lsm_list_modules) {
    uint32_t *s = slot();
    *s = 800;
    result(syscall(461, slot(), s, 0));
}
CASE(lsm_get_self_attr) {
    uint32_t *s = slot();
    *s = 800;
    result(syscall(459, 100, slot(), s, 0));
}
CASE(quotactl) {
    CALL(quotactl, 0x80000700, "/dev/null", 0, slot());
}

CASE(pwrite64) {
    CALL(pwrite64, file_with_data(), slot(), 100, 7);
}
CASE(writev) {
    CALL(writev, file_with_data(), iovecs(3, 70), 3);
}
CASE(pwritev) {
    CALL(pwritev, file_with_data(), iovecs(3, 70), 3, 5, 0);
}
CASE(pwritev2) {
    CALL(pwritev2, file_with_data(), iovecs(3, 70), 3, 5, 0, 0);
}
CASE(read_fails) {
    CALL(read, 999, slot(), 100);
}
CASE(read_end) {
    int f = file_with_data();
    lseek(f, 0, SEEK_END);
    CALL(read, f, slot(), 100);
}
CASE(read_fault) {
    CALL(read, file_with_data(), (void *)8, 100);
}
CASE(openat2) {
    uint64_t *h = slot();
    h[0] = h[1] = h[2] = 0;
    CALL(openat2, AT_FDCWD, "/etc", h, 24);
}
CASE(fcntl_setlk) {
    struct flock *l = slot();
    *l = (struct flock){.l_type = F_WRLCK};
    CALL(fcntl, file_with_data(), F_SETLK, l);
}
CASE(tee) {
    int p[2], q[2];
    if (pipe(p) || pipe(q))
        exit(1);
    write(p[1], "abc", 3);
    CALL(tee, p[0], q[1], 3, 0);
}
CASE(memfd_create) {
    CALL(memfd_create, "name", 0);
}
CASE(sendto) {
    int e[2];
    pair(e, SOCK_DGRAM);
    CALL(sendto, e[0], slot(), 100, 0, 0, 0);
}
CASE(setsockopt) {
    int *on = slot();
    *on = 1;
    CALL(setsockopt, socket(AF_INET, SOCK_STREAM, 0), SOL_SOCKET, SO_REUSEADDR, on, 4);
}
CASE(connect_fails) {
    struct sockaddr_un *a = slot();
    *a = (struct sockaddr_un){AF_UNIX, "/nowhere"};
    CALL(connect, socket(AF_UNIX, SOCK_STREAM, 0), a, sizeof *a);
}
CASE(semop) {
    int q = semget(IPC_PRIVATE, 1, 0600);
    struct sembuf *b = slot();
    *b = (struct sembuf){0, 1, 0};
    CALL(semop, q, b, 1);
    semctl(q, 0, IPC_RMID);
}
CASE(semtimedop) {
    int q = semget(IPC_PRIVATE, 1, 0600);
    struct sembuf *b = slot();
    struct timespec *t = slot();
    *b = (struct sembuf){0, -1, 0};
    *t = (struct timespec){0, 1000};
    CALL(semtimedop, q, b, 1, t);
    semctl(q, 0, IPC_RMID);
}
CASE(msgsnd) {
    int q = msgget(IPC_PRIVATE, 0600);
    long *m = slot();
    *m = 1;
    CALL(msgsnd, q, m, 50, 0);
    msgctl(q, IPC_RMID, 0);
}
CASE(shmat) {
    int q = shmget(IPC_PRIVATE, 8192, 0600);
    CALL(shmat, q, 0, 0);
    shmctl(q, IPC_RMID, 0);
}
CASE(mq_timedsend) {
    int q = mq_open("/oracle-calls3", O_CREAT | O_RDWR, 0600, NULL);
    if (q < 0)
        exit(77);
    mq_unlink("/oracle-calls3");
    CALL(mq_timedsend, q, slot(), 50, 1, 0);
}
CASE(epoll_ctl) {
    int e[2], q = epoll_create1(0);
    pair(e, SOCK_STREAM);
    struct epoll_event *v = slot();
    v->events = EPOLLIN;
    CALL(epoll_ctl, q, EPOLL_CTL_ADD, e[0], v);
}
CASE(mmap_fixed) {
    CALL(mmap, arena + 65536, 8192, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}
CASE(mremap) {
    void *m = mmap(0, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(m, poison, 65536);
    CALL(mremap, m, 65536, 1 << 20, MREMAP_MAYMOVE);
}
CASE(madvise_dontneed) {
    CALL(madvise, arena + 65536, 65536, MADV_DONTNEED);
}
CASE(brk) {
    sbrk(1 << 16);
    memset(sbrk(0) - 4096, poison, 4096);
    sbrk(-(1 << 15));
    sbrk(1 << 15);
}
CASE(sched_setattr) {
    uint32_t *a = slot();
    memset(a, 0, 56);
    a[0] = 1;
    CALL(sched_setattr, 0, a, 0);
}
CASE(sched_setaffinity) {
    unsigned long *m = slot();
    *m = 1;
    CALL(sched_setaffinity, 0, 8, m);
}
CASE(set_tid_address) {
    CALL(set_tid_address, slot());
}
CASE(membarrier) {
    CALL(membarrier, 0, 0, 0);
}
CASE(pidfd_send_signal) {
    int p = CALL(pidfd_open, getpid(), 0);
    CALL(pidfd_send_signal, p, 0, 0, 0);
}
CASE(landlock_version) {
    CALL(landlock_create_ruleset, 0, 0, 1);
}
/* A poll that a stop interrupts is continued by restart_syscall. */
CASE(restart_syscall) {
    int e[2];
    pair(e, SOCK_STREAM);
    pid_t parent = getpid();
    if (!fork()) {
        usleep(50000);
        kill(parent, SIGSTOP);
        usleep(50000);
        kill(parent, SIGCONT);
        usleep(50000);
        _exit(write(e[0], "a", 1) != 1);
    }
    struct pollfd *p = slot();
    p[0] = (struct pollfd){e[1], POLLIN, 0x5a5a};
    syscall(SYS_ppoll, p, 1, NULL, NULL, 8);
    struct timespec *t = slot();
    *t = (struct timespec){0, 300000000};
    pid_t child = fork();
    if (!child) {
        usleep(50000);
        kill(parent, SIGSTOP);
        usleep(50000);
        _exit(kill(parent, SIGCONT));
    }
    CALL(nanosleep, t, slot());
}
CASE(thread_exit) {
    pthread_t t;
    pthread_create(&t, 0, (void *(*)(void *))on_signal, 0);
    pthread_join(t, 0);
}

int main(int argc, char **argv) {
    if (argc != 2)
        return 2;
    arena = mmap(NULL, arena_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(arena, poison, arena_size);
    for (int i = 0; i < case_count; i++) {
        if (strcmp(argv[1], "--list") == 0) {
            puts(cases[i].name);
        } else if (strcmp(argv[1], cases[i].name) == 0) {
            cases[i].run();
            return 0;
        }
    }
    return strcmp(argv[1], "--list") != 0;
}
