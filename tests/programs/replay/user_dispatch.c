/* exit: 0 */
/* arch: x86_64 */
/* Syscall user dispatch: calls of the program that turn into signals by a switch in its memory. */
#include "check.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>

static volatile char selector;
static volatile int dispatched;

static void on_call(int number, siginfo_t *info, void *context) {
    ucontext_t *user = context;

    (void)number;
    selector = 0;
    dispatched++;
    user->uc_mcontext.gregs[REG_RAX] = info->si_syscall + 1000;
}

int main(void) {
    struct sigaction action = {.sa_sigaction = on_call, .sa_flags = SA_SIGINFO};

    CHECK(sigaction(SIGSYS, &action, NULL) == 0);
    int result = prctl(59 /* PR_SET_SYSCALL_USER_DISPATCH */, 1, 0, 0, &selector);
    if (result) {
        printf("none in %d\n", getpid());
        return 0;
    }
    for (int i = 0; i < 5; i++) {
        selector = 1;
        long got = syscall(SYS_getpgid, 0);
        CHECK(got == SYS_getpgid + 1000 && selector == 0);
    }
    CHECK(dispatched == 5 && syscall(SYS_getpgid, 0) == getpgrp());
    printf("%d calls of %d\n", dispatched, getpid());
    return 0;
}
