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
    if (TRY(prctl, PR_GET_TSC, slot(), 0, 0, 0) != 0) /* arm64: since Linux 6.12 */
        exit(errno == EINVAL ? lacking : 1);
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
    if (TRY(ioctl, p, _IOWR(0xff, 11, char[64]), i) != 0) /* PIDFD_GET_INFO: since Linux 6.13 */
        exit(errno == ENOTTY ? lacking : 1);
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
/* What a thread leaves when it ends: robust mutexes, one that another waits for, and the word of set_tid_address. */
static struct {
    pthread_mutex_t mutexes[3];
    int *word, ready[2];
} left;
static void *leave(void *unused) {
    (void)unused;
    for (int i = 0; i < 3; i++)
        pthread_mutex_lock(&left.mutexes[i]);
    CALL(set_tid_address, left.word);
    need(write(left.ready[1], "x", 1) == 1);
    usleep(20000);
    return NULL;
}
static void wait_for_word(void) {
    while (*(volatile int *)left.word != 0)
        usleep(1000);
}
static void end_with_mutexes(int protocol) {
    char byte;
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutexattr_setprotocol(&attributes, protocol);
    for (int i = 0; i < 3; i++)
        pthread_mutex_init(&left.mutexes[i], &attributes);
    left.word = slot();
    pair(left.ready, SOCK_STREAM);
    pthread_t t;
    pthread_create(&t, NULL, leave, NULL);
    need(read(left.ready[0], &byte, 1) == 1);
    need(pthread_mutex_lock(&left.mutexes[1]) == EOWNERDEAD);
    wait_for_word();
    need(pthread_mutex_lock(&left.mutexes[0]) == EOWNERDEAD);
}
CASE(thread_exit_robust) {
    end_with_mutexes(PTHREAD_PRIO_NONE);
}
CASE(thread_exit_robust_pi) {
    end_with_mutexes(PTHREAD_PRIO_INHERIT);
}
/* The first thread ends before the other. */
static void *end_later(void *unused) {
    (void)unused;
    wait_for_word();
    exit(0);
}
CASE(thread_exit_first) {
    pthread_t t;
    left.word = slot();
    pthread_create(&t, NULL, end_later, NULL);
    CALL(set_tid_address, left.word);
    CALL(exit, 0);
}

/* Identity: what is set stays as it is. */
CASE(setuid) {
    CALL(setreuid, -1, -1);
    CALL(setregid, -1, -1);
    CALL(setresuid, -1, -1, -1);
    CALL(setresgid, -1, -1, -1);
    CALL(setuid, getuid());
    CALL(setgid, getgid());
    CALL(setfsuid, getuid());
    CALL(setfsgid, getgid());
    CALL(setgroups, 2, SLOT_OF(gid_t[2], {1, 2}));
    CALL(getgroups, 1000, slot());
    FAILS(getgroups, 1, slot());
    CALL(getgroups, 0, slot());
}
CASE(getpgid) {
    CALL(getpgid, 0);
    CALL(getsid, 0);
    CALL(getppid);
    CALL(gettid);
    if (fork() == 0) {
        CALL(setpgid, 0, 0);
        _exit(0);
    }
    wait(NULL);
    if (fork() == 0) {
        CALL(setsid);
        _exit(0);
    }
    wait(NULL);
}
CASE(setrlimit) {
    struct rlimit *l = slot();
    CALL(getrlimit, RLIMIT_CORE, l);
    CALL(setrlimit, RLIMIT_CORE, l);
    CALL(prlimit64, 0, RLIMIT_CORE, l, slot());
    FAILS(getrlimit, 99, slot());
    FAILS(prlimit64, 0, 99, NULL, slot());
}
CASE(unshare) {
    CALL(unshare, CLONE_NEWUTS);
    CALL(sethostname, SLOT_OF(char[8], {"oracle"}), 6);
    CALL(setdomainname, SLOT_OF(char[8], {"oracle"}), 6);
    CALL(uname, slot());
}
CASE(pidfd_getfd) {
    int p = CALL(pidfd_open, getpid(), 0);
    CALL(pidfd_getfd, p, 1, 0);
    FAILS(pidfd_getfd, p, 999, 0);
}
CASE(pidfd_info_bad) {
    int p = CALL(pidfd_open, getpid(), 0);
    TRY(ioctl, p, _IOWR(0xff, 11, char[8]), slot());
    TRY(ioctl, p, _IOWR(0xff, 11, char[128]), memset(slot(), 0xff, 8));
}
CASE(kcmp) {
    CALL(kcmp, getpid(), getpid(), 0, 0, 1);
    FAILS(kcmp, getpid(), getpid(), 7, 0, SLOT_OF(uint32_t[3], {999, 0, 0}));
}
CASE(personality) {
    CALL(personality, 0xffffffff);
}
CASE(execve) {
    char *arguments[] = {"calls", "uname", NULL}, *environment[] = {NULL};
    FAILS(execve, "/nowhere", arguments, environment);
    FAILS(execveat, AT_FDCWD, "/nowhere", arguments, environment, 0);
    CALL(execve, "/proc/self/exe", arguments, environment);
}
CASE(execveat) {
    char *arguments[] = {"calls", "uname", NULL}, *environment[] = {NULL};
    CALL(execveat, open("/proc/self/exe", O_RDONLY), "", arguments, environment, AT_EMPTY_PATH);
}
CASE(clone3_fails) {
    uint64_t *a = memset(slot(), 0, 88);
    a[0] = CLONE_PIDFD | CLONE_PARENT_SETTID;
    a[1] = a[3] = (uint64_t)slot();
    a[4] = SIGCHLD;
    FAILS(clone3, a, 88);
    a[0] = CLONE_PIDFD | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID;
    a[3] = (uint64_t)slot();
    a[8] = (uint64_t)SLOT_OF(int, {1}); /* set_tid: there is a process 1 */
    a[9] = 1;
    FAILS(clone3, a, 88);
    FAILS(clone3, memset(slot(), 0xff, 200), 200);
}
CASE(clone_fails) {
    FAILS(clone, CLONE_PARENT_SETTID | CLONE_SIGHAND, 0, slot(), 0, 0);
    FAILS(clone, CLONE_PIDFD | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | SIGCHLD, 0, (void *)8, slot(), slot());
}
#ifdef __x86_64__
CASE(fork) {
    if (CALL(fork) == 0)
        _exit(0);
    wait(NULL);
}
CASE(vfork) {
    if (vfork() == 0)
        _exit(0);
}
CASE(thread_area) {
    /* Of 32-bit segments, which a 64-bit program may have too. */
    uint32_t *d = SLOT_OF(uint32_t[4], {-1, 0, 0, 0x51});
    if (TRY(set_thread_area, d) == 0)
        TRY(get_thread_area, SLOT_OF(uint32_t[4], {d[0]}));
    FAILS(get_thread_area, SLOT_OF(uint32_t[4], {99999}));
    FAILS(set_thread_area, SLOT_OF(uint32_t[4], {99999, 0, 0, 0x51}));
}
CASE(iopl) {
    TRY(iopl, 0);
    TRY(ioperm, 0x80, 1, 0);
    FAILS(ioperm, 1ul << 40, 1, 1);
}
CASE(modify_ldt_write) {
    uint32_t *d = SLOT_OF(uint32_t[4], {3, 0x1000, 0xf, 0x51});
    TRY(modify_ldt, 1, d, 16);
    TRY(modify_ldt, 0, slot(), 100);
    TRY(modify_ldt, 99, slot(), 100);
}
CASE(arch_prctl_others) {
    TRY(arch_prctl, 0x1021, slot()); /* ARCH_GET_XCOMP_SUPP */
    TRY(arch_prctl, 0x1022, slot());
    TRY(arch_prctl, 0x1024, slot());
    TRY(arch_prctl, 0x4001, slot()); /* ARCH_GET_UNTAG_MASK */
    TRY(arch_prctl, 0x4003, slot());
    TRY(arch_prctl, 0x5005, slot()); /* ARCH_SHSTK_STATUS */
    TRY(arch_prctl, 0x1011, slot()); /* ARCH_GET_CPUID */
    FAILS(arch_prctl, 0x9999, slot());
}
CASE(pause) {
    interrupt_soon();
    FAILS(pause);
}
#endif
CASE(prctl_gets) {
    static const int options[] = {PR_GET_DUMPABLE,
                                  PR_GET_KEEPCAPS,
                                  PR_GET_TIMING,
                                  PR_GET_SECCOMP,
                                  PR_GET_SECUREBITS,
                                  PR_GET_TIMERSLACK,
                                  PR_GET_UNALIGN,
                                  PR_GET_FPEMU,
                                  PR_GET_FPEXC,
                                  PR_GET_ENDIAN,
                                  PR_MCE_KILL_GET,
                                  PR_GET_NO_NEW_PRIVS,
                                  PR_GET_THP_DISABLE,
                                  PR_GET_FP_MODE,
                                  PR_GET_IO_FLUSHER,
                                  64 /* PR_GET_MDWE... */,
                                  66,
                                  68,
                                  70,
                                  72,
                                  74,
                                  76,
                                  78};
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        TRY(prctl, options[i], slot(), 0, 0, 0);
        TRY(prctl, options[i], 0, 0, 0, 0);
    }
}
CASE(prctl_auxv) {
    TRY(prctl, 0x41555856, slot(), 1000, 0, 0);
    TRY(prctl, 0x41555856, slot(), 20, 0, 0);
}
CASE(prctl_mm) {
    TRY(prctl, PR_SET_MM, PR_SET_MM_MAP_SIZE, slot(), 0, 0);
}
CASE(prctl_sched_core) {
    TRY(prctl, PR_SCHED_CORE, PR_SCHED_CORE_GET, 0, 0, slot());
}
CASE(prctl_sets) {
    CALL(prctl, PR_SET_NAME, "a name that is too long for it", 0, 0, 0);
    CALL(prctl, PR_SET_PDEATHSIG, 0, 0, 0, 0);
    TRY(prctl, PR_SET_VMA, 0, arena, 4096, "name");
    TRY(prctl, PR_CAPBSET_READ, 0, 0, 0, 0);
    TRY(prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 0, 0, 0);
    TRY(prctl, PR_GET_SPECULATION_CTRL, 0, 0, 0, 0);
    FAILS(prctl, 99999, slot(), slot(), slot(), slot());
}

/* Waiting for children that have changed. */
CASE(waits_nothing) {
    pid_t p = waiting_child();
    CALL(wait4, p, slot(), WNOHANG, slot());
    CALL(waitid, P_PID, p, slot(), WEXITED | WNOHANG, slot());
    kill(p, SIGSTOP);
    CALL(wait4, p, slot(), WUNTRACED, slot());
    kill(p, SIGCONT);
    CALL(waitid, P_PID, p, slot(), WCONTINUED, slot());
    kill(p, SIGKILL);
    CALL(waitid, P_PID, p, slot(), WEXITED | WNOWAIT, slot());
    CALL(wait4, p, slot(), 0, NULL);
    FAILS(waitid, 99, 0, slot(), WEXITED, slot());
    FAILS(waitid, P_PID, p, slot(), 0, slot());
}
CASE(wait_interrupted) {
    pid_t p = waiting_child();
    interrupt_soon();
    FAILS(wait4, p, slot(), 0, slot());
    interrupt_soon();
    FAILS(waitid, P_PID, p, slot(), WEXITED, slot());
    kill(p, SIGKILL);
}
CASE(exit_signal) {
    pid_t p = waiting_child();
    CALL(kill, p, SIGKILL);
    CALL(wait4, p, slot(), 0, slot());
}

/* Scheduling. */
CASE(sched) {
    CALL(sched_yield);
    CALL(sched_getscheduler, 0);
    CALL(sched_get_priority_max, SCHED_FIFO);
    CALL(sched_get_priority_min, SCHED_FIFO);
    CALL(sched_setscheduler, 0, SCHED_BATCH, SLOT_OF(int, {0}));
    CALL(sched_setparam, 0, SLOT_OF(int, {0}));
    FAILS(sched_getparam, 9999999, slot());
    FAILS(sched_rr_get_interval, 9999999, slot());
}
CASE(sched_getattr_sizes) {
    CALL(sched_getattr, 0, slot(), 48, 0);
    CALL(sched_getattr, 0, slot(), 200, 0);
    FAILS(sched_getattr, 0, slot(), 20, 0);
    FAILS(sched_getattr, 9999999, slot(), 48, 0);
}
CASE(sched_setattr_good) {
    uint32_t *a = slot();
    CALL(sched_getattr, 0, a, 48, 0);
    CALL(sched_setattr, 0, a, 0);
    memset(a, 0xff, 300);
    a[0] = 300;
    FAILS(sched_setattr, 0, a, 0);
}
CASE(sched_getaffinity_sizes) {
    FAILS(sched_getaffinity, 0, 1, slot());
    CALL(sched_getaffinity, 0, 4096, slot());
    FAILS(sched_getaffinity, 9999999, 128, slot());
}
CASE(getpriority) {
    CALL(getpriority, PRIO_PROCESS, 0);
    CALL(setpriority, PRIO_PROCESS, 0, 0);
    CALL(ioprio_get, 1, 0);
    CALL(ioprio_set, 1, 0, (2 << 13) | 4);
}
CASE(getcpu_parts) {
    CALL(getcpu, slot(), NULL, NULL);
    CALL(getcpu, NULL, slot(), NULL);
}

/* Signals. */
CASE(kill) {
    signal(SIGUSR1, on_signal);
    CALL(kill, getpid(), SIGUSR1);
    CALL(tkill, gettid(), SIGUSR1);
    CALL(tgkill, getpid(), gettid(), SIGUSR1);
}
CASE(rt_sigqueueinfo) {
    sigset_t s;
    sigfillset(&s);
    sigprocmask(SIG_BLOCK, &s, NULL);
    siginfo_t *i = memset(slot(), 0, 128);
    i->si_code = SI_QUEUE;
    CALL(rt_sigqueueinfo, getpid(), SIGUSR1, i);
    CALL(rt_tgsigqueueinfo, getpid(), gettid(), SIGUSR2, i);
    CALL(rt_sigpending, slot(), 8);
    CALL(rt_sigtimedwait, &s, slot(), 0, 8);
    CALL(rt_sigtimedwait, &s, NULL, 0, 8);
    FAILS(rt_sigtimedwait, &s, slot(), SLOT_OF(struct timespec, {0, 1000}), 8);
    FAILS(rt_sigpending, slot(), 100);
    CALL(rt_sigpending, slot(), 4);
}
CASE(rt_sigsuspend) {
    interrupt_soon();
    sigset_t *s = slot();
    sigemptyset(s);
    FAILS(rt_sigsuspend, s, 8);
}
CASE(rt_sigaction_sets) {
    struct {
        void *handler;
        unsigned long flags;
        void *restorer;
        unsigned long mask;
    } action = {SIG_IGN, 0, NULL, 0};
    CALL(rt_sigaction, SIGUSR1, slot_with(&action, sizeof action), slot(), 8);
    FAILS(rt_sigaction, SIGKILL, slot_with(&action, sizeof action), slot(), 8);
    CALL(rt_sigprocmask, SIG_BLOCK, SLOT_OF(long, {0}), slot(), 8);
    FAILS(rt_sigprocmask, 99, SLOT_OF(long, {0}), slot(), 8);
}
CASE(sigaltstack_sets) {
    stack_t *s = SLOT_OF(stack_t, {arena + 65536, 0, 65536});
    CALL(sigaltstack, s, slot());
    CALL(sigaltstack, NULL, slot());
    FAILS(sigaltstack, SLOT_OF(stack_t, {arena, 0, 16}), slot());
}
CASE(signalfd4) {
    sigset_t *s = slot();
    sigemptyset(s);
    CALL(signalfd4, -1, s, 8, SFD_NONBLOCK);
    FAILS(signalfd4, -1, s, 7, 0);
}
