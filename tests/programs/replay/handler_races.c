/* exit: 0 */
/* A thread sends itself a signal while another one sets a handler for it, ignores it, and so on. */
#include "check.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>

static volatile sig_atomic_t stop;
static _Atomic unsigned caught;

static void on_signal(int number) {
    (void)number;
    caught++;
}

static void compute(void) {
    for (volatile int i = 0; i < 200000; i++)
        ;
}

static void *change(void *unused) {
    while (!stop) {
        signal(SIGUSR1, on_signal);
        compute();
        signal(SIGUSR1, SIG_IGN);
        compute();
    }
    return unused;
}

int main(void) {
    pthread_t id;

    signal(SIGUSR1, SIG_IGN);
    CHECK(pthread_create(&id, NULL, change, NULL) == 0);
    for (int i = 0; i < 60; i++) {
        CHECK(raise(SIGUSR1) == 0);
        if (i % 3 == 0)
            sched_yield();
    }
    stop = 1;
    CHECK(pthread_join(id, NULL) == 0);
    printf("%u of 60 caught\n", caught);
    return 0;
}
