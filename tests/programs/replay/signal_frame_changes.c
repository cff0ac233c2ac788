/* exit: 0 */
/* A handler that changes the frame: the mask of signals and a register that the interrupted loop tests. */
#include "check.h"

#include <signal.h>
#include <sys/time.h>
#include <ucontext.h>

static volatile int count;
static uint64_t secret;

static void on_alarm(int number, siginfo_t *info, void *context) {
    ucontext_t *user = context;

    (void)number;
    (void)info;
    count++;
    sigaddset(&user->uc_sigmask, SIGUSR1);
#ifdef __x86_64__
    user->uc_mcontext.gregs[REG_R12] = (greg_t)secret;
#else
    user->uc_mcontext.regs[12] = secret;
#endif
}

int main(void) {
    struct sigaction action = {.sa_sigaction = on_alarm, .sa_flags = SA_SIGINFO};
    sigset_t mask;
    uint64_t got = 0;

    secret = random_word() | 1;
    CHECK(sigaction(SIGALRM, &action, NULL) == 0);
    ualarm(3000, 0);
#ifdef __x86_64__
    __asm__ volatile("xor %%r12, %%r12\n1: test %%r12, %%r12; jz 1b; mov %%r12, %0" : "=r"(got) : : "r12", "cc");
#else
    __asm__ volatile("mov x12, #0\n1: cbz x12, 1b; mov %0, x12" : "=r"(got) : : "x12");
#endif
    CHECK(got == secret && sigprocmask(SIG_BLOCK, NULL, &mask) == 0 && sigismember(&mask, SIGUSR1) && count == 1);
    printf("%016llx\n", (unsigned long long)got);
    return 0;
}
