/* exit: 0 */
/* POSIX timers that call a function in a thread of its own. */
#include "check.h"

#include <semaphore.h>
#include <signal.h>

static sem_t done;

static void on_timer(union sigval value) {
    printf("thread %d: %d\n", gettid(), value.sival_int);
    sem_post(&done);
}

int main(void) {
    struct sigevent event = {
        .sigev_notify = SIGEV_THREAD, .sigev_value = {.sival_int = getpid()}, .sigev_notify_function = on_timer};
    timer_t timer;

    CHECK(sem_init(&done, 0, 0) == 0 && timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    CHECK(timer_settime(timer, 0, &(struct itimerspec){{0, 3000000}, {0, 3000000}}, NULL) == 0);
    for (int i = 0; i < 4; i++)
        while (sem_wait(&done))
            CHECK(errno == EINTR);
    CHECK(timer_delete(timer) == 0);
    return 0;
}
