/* exit: 0 */
/* arch: x86_64 */
/* Calls that only x86-64 still has: those of old C libraries, made directly. */
#include "check.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <utime.h>

static volatile int alarms;

static void on_alarm(int number) {
    alarms = number;
}

int main(void) {
    char text[4096];
    struct stat status;
    struct timeval times[2] = {{1000, 1}, {2000, 2}}, wait = {0, 1000};
    struct utimbuf older = {500, 600};
    struct epoll_event event = {.events = EPOLLIN};
    int ends[2];
    fd_set set;
    time_t seconds;

    long file = syscall(SYS_creat, "file", 0644);
    CHECK(file >= 0 && syscall(SYS_open, "file", O_RDWR, 0) >= 0 && syscall(SYS_dup2, file, 40l) == 40);
    CHECK(syscall(SYS_mkdir, "sub", 0755) == 0 && syscall(SYS_rmdir, "sub") == 0);
    CHECK(syscall(SYS_link, "file", "hard") == 0 && syscall(SYS_symlink, "file", "soft") == 0);
    CHECK(syscall(SYS_readlink, "soft", text, sizeof text) == 4 && syscall(SYS_rename, "hard", "moved") == 0);
    CHECK(syscall(SYS_unlink, "moved") == 0 && syscall(SYS_access, "file", R_OK) == 0);
    CHECK(syscall(SYS_chmod, "file", 0600) == 0 && syscall(SYS_chown, "file", -1, -1) == 0 &&
          syscall(SYS_lchown, "soft", -1, -1) == 0 && syscall(SYS_mknod, "node", S_IFREG | 0600, 0) == 0);
    CHECK(syscall(SYS_utime, "file", &older) == 0 && syscall(SYS_utimes, "file", times) == 0 &&
          syscall(SYS_futimesat, AT_FDCWD, "file", times) == 0);
    CHECK(syscall(SYS_stat, "file", &status) == 0 && status.st_mtime == 2000 &&
          syscall(SYS_lstat, "soft", &status) == 0);
    printf("inode %lu\n", status.st_ino);
    long folder = syscall(SYS_open, ".", O_RDONLY | O_DIRECTORY);
    long size = syscall(SYS_getdents, folder, text, sizeof text);
    CHECK(size > 0);
    printf("entries %016llx\n", (unsigned long long)hash_of(text, (size_t)size));
    CHECK(syscall(SYS_pipe, ends) == 0);
    FD_ZERO(&set);
    FD_SET(ends[0], &set);
    CHECK(syscall(SYS_select, ends[0] + 1, &set, NULL, NULL, &wait) == 0);
    struct pollfd polled = {ends[0], POLLIN, 0};
    CHECK(syscall(SYS_poll, &polled, 1, 1) == 0);
    long epoll = syscall(SYS_epoll_create, 5);
    CHECK(syscall(SYS_epoll_ctl, epoll, EPOLL_CTL_ADD, ends[0], &event) == 0);
    CHECK(syscall(SYS_epoll_wait, epoll, &event, 1, 0) == 0 && syscall(SYS_eventfd, 3) >= 0 &&
          syscall(SYS_inotify_init) >= 0);
    sigset_t mask;
    sigemptyset(&mask);
    CHECK(syscall(SYS_signalfd, -1, &mask, 8l) >= 0);
    long now = syscall(SYS_time, &seconds);
    printf("%ld at %ld in group %ld\n", now, (long)seconds, syscall(SYS_getpgrp));
    signal(SIGALRM, on_alarm);
    CHECK(now == seconds && syscall(SYS_alarm, 100) == 0 && syscall(SYS_alarm, 0) == 100);
    ualarm(2000, 2000);
    CHECK(syscall(SYS_pause) == -1 && errno == EINTR && alarms == SIGALRM);
    ualarm(0, 0);
    char usage[64];
    printf("ustat %ld, sysfs %ld\n", syscall(SYS_ustat, status.st_dev, usage), syscall(SYS_sysfs, 3));
    long child = syscall(SYS_fork);
    if (child == 0)
        _exit(3);
    join((pid_t)child, 3);
    return 0;
}
