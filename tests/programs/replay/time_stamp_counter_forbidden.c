/* exit: 0 */
/* arch: x86_64 */
/* A program that forbids itself rdtsc by prctl and handles the faults, and allows it again. */
#include "check.h"

#include <signal.h>
#include <sys/prctl.h>
#include <ucontext.h>
#include <x86intrin.h>

static volatile int faults;

static void on_fault(int number, siginfo_t *info, void *context) {
    ucontext_t *user = context;

    (void)number;
    (void)info;
    faults++;
    user->uc_mcontext.gregs[REG_RIP] += 2;
    user->uc_mcontext.gregs[REG_RAX] = 1000 + faults;
    user->uc_mcontext.gregs[REG_RDX] = 0;
}

int main(void) {
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    int mode;

    CHECK(sigaction(SIGSEGV, &action, NULL) == 0);
    printf("%llu before\n", (unsigned long long)__rdtsc());
    int result = prctl(PR_SET_TSC, PR_TSC_SIGSEGV);
    if (result) {
        printf("cannot forbid it\n");
        return 0;
    }
    CHECK(prctl(PR_GET_TSC, &mode) == 0 && mode == PR_TSC_SIGSEGV);
    for (int i = 1; i <= 5; i++) {
        uint64_t got = __rdtsc();
        CHECK(got == 1000u + (unsigned)i && faults == i);
    }
    CHECK(prctl(PR_SET_TSC, PR_TSC_ENABLE) == 0);
    printf("%llu after\n", (unsigned long long)__rdtsc());
    CHECK(faults == 5);
    return 0;
}
