/* exit: 0 */
/* clock_gettime and clock_getres of every clock: with the vDSO off, or through it. */
#include "check.h"

int main(void) {
    static const clockid_t clocks[] = {CLOCK_REALTIME,          CLOCK_MONOTONIC,     CLOCK_PROCESS_CPUTIME_ID,
                                       CLOCK_THREAD_CPUTIME_ID, CLOCK_MONOTONIC_RAW, CLOCK_REALTIME_COARSE,
                                       CLOCK_MONOTONIC_COARSE,  CLOCK_BOOTTIME,      CLOCK_TAI};
    clockid_t own;
    struct timespec time, resolution;

    for (size_t i = 0; i < COUNT(clocks); i++) {
        CHECK(clock_gettime(clocks[i], &time) == 0 && clock_getres(clocks[i], &resolution) == 0);
        printf("clock %d: %lld.%09ld, resolution %ld\n", clocks[i], (long long)time.tv_sec, time.tv_nsec,
               resolution.tv_nsec);
    }
    CHECK(clock_getcpuclockid(getpid(), &own) == 0 && clock_gettime(own, &time) == 0);
    printf("own clock %d: %lld.%09ld\n", own, (long long)time.tv_sec, time.tv_nsec);
    CHECK(clock_gettime(12345, &time) == -1 && errno == EINVAL);
    int64_t before = now_ns();
    for (int i = 0; i < 1000; i++) {
        int64_t after = now_ns();
        CHECK(after >= before);
        before = after;
    }
    printf("a thousand later: %lld\n", (long long)before);
    return 0;
}
