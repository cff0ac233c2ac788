/* exit: 0 */
/* nanosleep and clock_nanosleep that a signal interrupts: EINTR, and how much was left. */
#include "check.h"

#include <signal.h>
#include <sys/time.h>

static volatile sig_atomic_t count;

static void on_alarm(int number) {
    (void)number;
    count++;
}

int main(void) {
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    struct itimerval often = {{0, 5000}, {0, 5000}}, never = {{0, 0}, {0, 0}};
    struct timespec rest = {0, 0};

    CHECK(sigaction(SIGALRM, &action, NULL) == 0 && setitimer(ITIMER_REAL, &often, NULL) == 0);
    CHECK(nanosleep(&(struct timespec){5, 0}, &rest) == -1 && errno == EINTR);
    printf("%lld.%09ld left\n", (long long)rest.tv_sec, rest.tv_nsec);
    CHECK(rest.tv_sec == 4);
    CHECK(clock_nanosleep(CLOCK_REALTIME, 0, &(struct timespec){5, 0}, &rest) == EINTR);
    printf("%lld.%09ld left\n", (long long)rest.tv_sec, rest.tv_nsec);
    /* up to a point in time: goes on by itself where SA_RESTART says so */
    int64_t then = now_ns() + 20000000;
    struct timespec until = {then / 1000000000, then % 1000000000};
    int result = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
    CHECK(result == 0 || result == EINTR);
    printf("%d signals, result %d, %lld ns\n", count, result, (long long)(now_ns() - then));
    CHECK(sleep(3) > 0 && setitimer(ITIMER_REAL, &never, NULL) == 0);
    CHECK(nanosleep(&(struct timespec){0, 2000000000}, NULL) == -1 && errno == EINVAL);
    return 0;
}
