/* exit: 0 */
/* SIGILL, handled by stepping over the instruction. */
#include "check.h"

#include <signal.h>
#include <ucontext.h>

static volatile int faults;
static void *volatile place;

static void on_fault(int number, siginfo_t *info, void *context) {
    ucontext_t *user = context;

    (void)number;
    faults++;
    place = info->si_addr;
#ifdef __x86_64__
    user->uc_mcontext.gregs[REG_RIP] += 2;
#else
    user->uc_mcontext.pc += 4;
#endif
}

int main(void) {
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};

    CHECK(sigaction(SIGILL, &action, NULL) == 0);
    for (int i = 0; i < 10; i++)
#ifdef __x86_64__
        __asm__ volatile("ud2" ::: "memory");
#else
        __asm__ volatile(".inst 0" ::: "memory"); /* udf #0 */
#endif
    printf("%d at %p\n", faults, place);
    CHECK(faults == 10);
    return 0;
}
