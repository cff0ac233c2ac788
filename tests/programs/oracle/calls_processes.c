/* Cases of the memory oracle: processes. */
#include "calls.h"

#ifdef __x86_64__
CASE(arch_prctl) {
    CALL(arch_prctl, ARCH_GET_FS, slot());
}
CASE(arch_prctl_gs) {
    CALL(arch_prctl, ARCH_GET_GS, slot());
}
CASE(getpgrp) {
    CALL(getpgrp);
}
CASE(modify_ldt) {
    CALL(modify_ldt, 2, slot(), 100);
}
CASE(signalfd) {
    sigset_t *s = slot();
    sigemptyset(s);
    CALL(signalfd, -1, s, 8);
}
#endif
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
    FAILS(wait4, -1, slot(), 0, slot());
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
    FAILS(waitid, P_ALL, 0, slot(), WEXITED, slot());
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
CASE(pidfd_ioctl) {
    int p = CALL(pidfd_open, getpid(), 0);
    uint64_t *i = slot();
    i[0] = 7;
    CALL(ioctl, p, _IOWR(0xff, 11, char[64]), i);
}
CASE(sched_setattr) {
    uint32_t *a = slot();
    memset(a, 0, 56);
    a[0] = 1;
    FAILS(sched_setattr, 0, a, 0);
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
