/* exit: 0 */
/* The stack overflows; the handler runs on its own stack and jumps back out. */
#include "check.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/resource.h>

static sigjmp_buf place;
static volatile uintptr_t address;
static volatile int endless = 1;

static void on_fault(int number, siginfo_t *info, void *context) {
    (void)number;
    (void)context;
    address = (uintptr_t)info->si_addr;
    siglongjmp(place, 1);
}

__attribute__((noinline)) static int descend(volatile char *previous) {
    volatile char frame[4000];

    frame[0] = previous ? previous[0] : 0;
    return endless ? descend(frame) + frame[0] : 0;
}

int main(void) {
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    stack_t stack = {.ss_sp = malloc(65536), .ss_size = 65536};
    struct rlimit limit = {1 << 20, RLIM_INFINITY};

    CHECK(setrlimit(RLIMIT_STACK, &limit) == 0);
    CHECK(sigaltstack(&stack, NULL) == 0 && sigaction(SIGSEGV, &action, NULL) == 0);
    for (volatile int i = 0; i < 3; i++) {
        if (sigsetjmp(place, 1) == 0)
            descend(NULL);
        printf("overflowed at %lx\n", (long)address);
    }
    return 0;
}
