/* exit: 0 */
/* SIGTRAP of a breakpoint instruction in the program's own code, handled. */
#include "check.h"

#include <signal.h>
#include <ucontext.h>

static volatile int traps, code;

static void on_trap(int number, siginfo_t *info, void *context) {
    ucontext_t *user = context;

    (void)number;
    (void)user;
    traps++;
    code = info->si_code;
#ifdef __aarch64__
    user->uc_mcontext.pc += 4; /* the breakpoint does not advance */
#endif
}

int main(void) {
    struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};

    CHECK(sigaction(SIGTRAP, &action, NULL) == 0);
    for (int i = 0; i < 10; i++)
#ifdef __x86_64__
        __asm__ volatile("int3" ::: "memory");
#else
        __asm__ volatile("brk #0" ::: "memory");
#endif
    CHECK(traps == 10);
    CHECK(raise(SIGTRAP) == 0 || traps == 11);
    printf("%d traps, code %d, in %d\n", traps, code, getpid());
    return 0;
}
