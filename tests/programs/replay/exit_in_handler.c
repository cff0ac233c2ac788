/* exit: 66 */
/* A handler ends the process, with other threads running and with functions registered for the exit. */
#include "check.h"

#include <pthread.h>
#include <signal.h>

static volatile uint64_t counter;

static void on_alarm(int number) {
    (void)number;
    exit(66);
}

static void at_exit(void) {
    printf("counted %s, %d\n", counter ? "some" : "none", gettid());
}

static void *work(void *unused) {
    while (!unused)
        counter++;
    return NULL;
}

int main(void) {
    pthread_t id;

    CHECK(atexit(at_exit) == 0 && pthread_create(&id, NULL, work, NULL) == 0);
    while (counter < 1000)
        sched_yield();
    signal(SIGALRM, on_alarm);
    ualarm(2000, 0);
    for (;;)
        counter++;
}
