/* case seccomp_errno: errno | exit: 0 */
/* case seccomp_trap: trap | exit: 0 */
/* case seccomp_kill_process: kill | signal: SIGSYS */
/* case seccomp_kill_thread: kill-thread | exit: 0 */
/* case seccomp_strict: strict | signal: SIGKILL */
/* A program that installs a seccomp filter of its own: an errno, a trap, and the death of a thread or the process. */
#include "check.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>

static volatile int trapped, data_of_trap;

static void on_trap(int number, siginfo_t *info, void *context) {
    ucontext_t *user = context;

    (void)number;
    trapped = info->si_syscall;
    data_of_trap = info->si_errno;
#ifdef __x86_64__
    user->uc_mcontext.gregs[REG_RAX] = 4321;
#else
    user->uc_mcontext.regs[0] = 4321;
#endif
}

/* What getpgid, of all calls, shall do. */
static void install(unsigned action) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpgid, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, action),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {COUNT(code), code};

    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    CHECK(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0);
    CHECK(prctl(PR_GET_SECCOMP) == 2);
}

static void *call_it(void *unused) {
    printf("thread %d calls it\n", gettid());
    syscall(SYS_getpgid, 0);
    exit(1);
    return unused;
}

int main(int argc, char **argv) {
    pthread_t id;

    CHECK(argc == 2);
    printf("%d in group %ld\n", getpid(), (long)syscall(SYS_getpgid, 0));
    if (strcmp(argv[1], "errno") == 0) {
        install(SECCOMP_RET_ERRNO | 77);
        CHECK(syscall(SYS_getpgid, 0) == -1 && errno == 77);
        pid_t child = fork();
        if (child == 0)
            _exit(syscall(SYS_getpgid, 0) == -1 ? errno : 1);
        join(child, 77);
    } else if (strcmp(argv[1], "trap") == 0) {
        struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};
        CHECK(sigaction(SIGSYS, &action, NULL) == 0);
        install(SECCOMP_RET_TRAP | 55);
        for (int i = 0; i < 10; i++)
            CHECK(syscall(SYS_getpgid, 0) == 4321 && trapped == SYS_getpgid && data_of_trap == 55);
    } else if (strcmp(argv[1], "kill") == 0) {
        install(SECCOMP_RET_KILL_PROCESS);
        syscall(SYS_getpgid, 0);
        return 1;
    } else if (strcmp(argv[1], "kill-thread") == 0) {
        install(SECCOMP_RET_KILL_THREAD);
        CHECK(pthread_create(&id, NULL, call_it, NULL) == 0 && pthread_join(id, NULL) == 0);
    } else {
        CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) == 0 && write(1, "strict\n", 7) == 7);
        syscall(SYS_getpgid, 0);
        return 1;
    }
    printf("%d goes on\n", getpid());
    return 0;
}
