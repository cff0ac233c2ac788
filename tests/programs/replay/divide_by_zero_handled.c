/* exit: 0 */
/* arch: x86_64 */
/* SIGFPE of an integer division, handled by mending the divisor in the registers. */
#include "check.h"

#include <signal.h>
#include <ucontext.h>

static volatile int faults;

static void on_fault(int number, siginfo_t *info, void *context) {
    ucontext_t *user = context;

    (void)number;
    faults++;
    if (info->si_code != FPE_INTDIV || info->si_addr != (void *)user->uc_mcontext.gregs[REG_RIP])
        _exit(1);
    user->uc_mcontext.gregs[REG_RCX] = 7;
}

static unsigned divide(unsigned dividend, unsigned divisor) {
    unsigned quotient, high = 0;

    __asm__ volatile("divl %%ecx" : "=a"(quotient), "+d"(high) : "a"(dividend), "c"(divisor) : "cc");
    return quotient;
}

int main(void) {
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};

    CHECK(sigaction(SIGFPE, &action, NULL) == 0);
    for (int i = 0; i < 10; i++) {
        unsigned dividend = (unsigned)random_word(), quotient = divide(dividend, i % 2 ? 3 : 0);
        CHECK(quotient == dividend / (i % 2 ? 3 : 7));
        printf("%u\n", quotient);
    }
    CHECK(faults == 5);
    return 0;
}
