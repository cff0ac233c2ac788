/* exit: 0 */
/* A handler looks at what the loop it struck was doing, down to its registers: the exact instruction matters. */
#include "check.h"

#include <signal.h>
#include <sys/time.h>
#include <ucontext.h>

static volatile int count;
static volatile uintptr_t places[8];
static volatile uint64_t values[8], counter;

static void on_alarm(int number, siginfo_t *info, void *context) {
    ucontext_t *user = context;

    (void)number;
    (void)info;
    if (count >= 8)
        return;
#ifdef __x86_64__
    places[count] = (uintptr_t)user->uc_mcontext.gregs[REG_RIP];
#else
    places[count] = (uintptr_t)user->uc_mcontext.pc;
#endif
    values[count++] = counter;
}

int main(void) {
    struct sigaction action = {.sa_sigaction = on_alarm, .sa_flags = SA_SIGINFO};
    struct itimerval timer = {{0, 2500}, {0, 2500}};

    CHECK(sigaction(SIGALRM, &action, NULL) == 0 && setitimer(ITIMER_REAL, &timer, NULL) == 0);
    while (count < 8)
        counter += 3;
    for (int i = 0; i < 8; i++)
        printf("at %lx: %llu\n", (long)places[i], (unsigned long long)values[i]);
    return 0;
}
