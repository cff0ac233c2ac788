/* exit: 0 */
/* adjtimex and clock_adjtime that only ask, settings that are refused, and the interval timers' state. */
#include "check.h"

#include <sys/time.h>
#include <sys/timex.h>

int main(void) {
    struct timex state = {0};
    struct itimerval timer;

    int result = adjtimex(&state);
    if (!absent(result, "adjtimex")) {
        CHECK(result >= 0);
        printf("state %d, offset %ld, frequency %ld, error %ld, tick %ld, at %ld.%06ld\n", result, state.offset,
               state.freq, state.esterror, state.tick, state.time.tv_sec, (long)state.time.tv_usec);
    }
    memset(&state, 0, sizeof state);
    result = clock_adjtime(CLOCK_REALTIME, &state);
    printf("clock_adjtime %d: %ld\n", result, state.maxerror);
    CHECK(clock_settime(CLOCK_MONOTONIC, &(struct timespec){1, 0}) == -1 && errno == EINVAL);
    CHECK(clock_settime(CLOCK_REALTIME, &(struct timespec){1, 2000000000}) == -1 && errno == EINVAL);
    CHECK(settimeofday(&(struct timeval){1, 2000000}, NULL) == -1 && (errno == EINVAL || errno == EPERM));
    CHECK(setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {100, 0}}, NULL) == 0);
    CHECK(getitimer(ITIMER_REAL, &timer) == 0 && timer.it_value.tv_sec >= 99);
    printf("%ld.%06ld left\n", timer.it_value.tv_sec, (long)timer.it_value.tv_usec);
    CHECK(alarm(0) == 100);
    return 0;
}
