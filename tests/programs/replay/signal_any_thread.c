/* exit: 0 */
/* Signals for the process as a whole: the kernel chooses a thread, and those that block it are not chosen. */
#include "check.h"

#include <pthread.h>
#include <signal.h>

enum { threads = 4, signals = 40 };

static volatile int handled, stop, wrong;
static volatile pid_t by[signals];
static __thread int blocking;

static void on_signal(int number) {
    (void)number;
    int index = __atomic_fetch_add(&handled, 1, __ATOMIC_SEQ_CST);
    if (index < signals)
        by[index] = gettid();
    wrong |= blocking;
}

static void *work(void *argument) {
    sigset_t mask;

    if ((intptr_t)argument % 2) {
        blocking = 1;
        sigemptyset(&mask);
        sigaddset(&mask, SIGRTMIN);
        CHECK(pthread_sigmask(SIG_BLOCK, &mask, NULL) == 0);
    }
    while (!stop)
        if ((intptr_t)argument < 2)
            sched_yield();
    return NULL;
}

int main(void) {
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    pthread_t ids[threads];
    sigset_t mask;

    CHECK(sigaction(SIGRTMIN, &action, NULL) == 0);
    for (intptr_t i = 0; i < threads; i++)
        CHECK(pthread_create(&ids[i], NULL, work, (void *)i) == 0);
    sigemptyset(&mask);
    sigaddset(&mask, SIGRTMIN);
    for (int i = 0; i < signals; i++) {
        if (i == signals / 2)
            CHECK(pthread_sigmask(SIG_BLOCK, &mask, NULL) == 0);
        blocking = i >= signals / 2;
        CHECK(kill(getpid(), SIGRTMIN) == 0);
        while (handled <= i)
            sched_yield();
    }
    stop = 1;
    for (int i = 0; i < threads; i++)
        CHECK(pthread_join(ids[i], NULL) == 0);
    for (int i = 0; i < signals; i++)
        printf("%d%s", by[i], i % 10 == 9 ? "\n" : " ");
    CHECK(handled == signals && !wrong);
    return 0;
}
