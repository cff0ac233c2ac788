/* exit: 0 */
/* arch: x86_64 */
/* A program that sets its own trap flag and counts the SIGTRAPs, one for each instruction. */
#include "check.h"

#include <signal.h>
#include <ucontext.h>

static volatile int steps;
static volatile uintptr_t first, last;

static void on_trap(int number, siginfo_t *info, void *context) {
    ucontext_t *user = context;

    (void)number;
    (void)info;
    last = (uintptr_t)user->uc_mcontext.gregs[REG_RIP];
    if (!steps++)
        first = last;
}

int main(void) {
    struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};

    CHECK(sigaction(SIGTRAP, &action, NULL) == 0);
    __asm__ volatile("lea -128(%%rsp), %%rsp\n\t"
                     "pushfq\n\t"
                     "orq $0x100, (%%rsp)\n\t"
                     "popfq\n\t"
                     "nop\n\tnop\n\tnop\n\t"
                     "pushfq\n\t"
                     "andq $~0x100, (%%rsp)\n\t"
                     "popfq\n\t"
                     "lea 128(%%rsp), %%rsp" ::
                         : "memory", "cc");
    printf("%d steps from %lx to %lx\n", steps, (long)first, (long)last);
    CHECK(steps >= 5 && steps <= 7);
    return 0;
}
