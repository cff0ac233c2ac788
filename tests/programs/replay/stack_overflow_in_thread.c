/* exit: 0 */
/* A thread overflows its stack; its handler runs on the thread's own alternate stack, and the others go on. */
#include "check.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>

static __thread sigjmp_buf place;
static __thread volatile uintptr_t address;
static volatile int endless = 1;

static void on_fault(int number, siginfo_t *info, void *context) {
    (void)context;
    address = (uintptr_t)info->si_addr;
    siglongjmp(place, number);
}

__attribute__((noinline)) static int descend(volatile char *previous) {
    volatile char frame[2000];

    frame[0] = previous ? previous[0] : 0;
    return endless ? descend(frame) + frame[0] : 0;
}

static void *work(void *unused) {
    stack_t stack = {.ss_sp = malloc(65536), .ss_size = 65536};

    CHECK(sigaltstack(&stack, NULL) == 0);
    if (sigsetjmp(place, 1) == 0)
        descend(NULL);
    printf("thread %d overflowed at %lx\n", gettid(), (long)address);
    return unused;
}

int main(void) {
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    pthread_attr_t attributes;
    pthread_t ids[3];

    CHECK(sigaction(SIGSEGV, &action, NULL) == 0 && pthread_attr_init(&attributes) == 0 &&
          pthread_attr_setstacksize(&attributes, 256 * 1024) == 0);
    for (int i = 0; i < 3; i++)
        CHECK(pthread_create(&ids[i], &attributes, work, NULL) == 0);
    for (int i = 0; i < 3; i++)
        CHECK(pthread_join(ids[i], NULL) == 0);
    return 0;
}
