/* exit: 0 */
/* All threads block the signals, and one takes them by sigwaitinfo for all of them. */
#include "check.h"

#include <pthread.h>
#include <signal.h>

static sigset_t mask;
static volatile int taken[3];

static void *take(void *unused) {
    siginfo_t info;

    for (;;) {
        int number = sigwaitinfo(&mask, &info);
        if (number == -1 && errno == EINTR)
            continue;
        printf("%d took %d from %d\n", gettid(), number, info.si_pid);
        if (number == SIGTERM)
            return unused;
        taken[number == SIGUSR1 ? 0 : 1]++;
    }
}

static void *compute(void *result) {
    double value = 1;

    for (int i = 1; i < 2000000; i++)
        value += 1.0 / i / i;
    *(double *)result = value;
    return NULL;
}

int main(void) {
    pthread_t taker, worker;
    double result;

    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    sigaddset(&mask, SIGRTMIN);
    sigaddset(&mask, SIGTERM);
    CHECK(pthread_sigmask(SIG_BLOCK, &mask, NULL) == 0);
    CHECK(pthread_create(&taker, NULL, take, NULL) == 0 && pthread_create(&worker, NULL, compute, &result) == 0);
    pid_t parent = getpid(), child = fork();
    if (child == 0) {
        for (int i = 0; i < 5; i++)
            CHECK(sigqueue(parent, SIGRTMIN, (union sigval){.sival_int = i}) == 0);
        _exit(0);
    }
    CHECK(raise(SIGUSR1) == 0); /* for this thread, which never takes it */
    CHECK(kill(getpid(), SIGUSR1) == 0);
    join(child, 0);
    while (taken[1] < 5 || taken[0] < 1)
        sleep_ms(1);
    CHECK(kill(getpid(), SIGTERM) == 0 && pthread_join(taker, NULL) == 0 && pthread_join(worker, NULL) == 0);
    printf("%a\n", result);
    return 0;
}
