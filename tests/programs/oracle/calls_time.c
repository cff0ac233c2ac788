/* Cases of the memory oracle: time. */
#include "calls.h"

#ifdef __x86_64__
CASE(time) {
    CALL(time, slot());
}
CASE(alarm) {
    CALL(alarm, 0);
}
#endif
CASE(clock_gettime) {
    CALL(clock_gettime, CLOCK_REALTIME, slot());
}
CASE(clock_getres) {
    CALL(clock_getres, CLOCK_REALTIME, slot());
}
CASE(clock_adjtime) {
    struct timex *t = slot();
    memset(t, 0, sizeof *t);
    CALL(clock_adjtime, CLOCK_REALTIME, t);
}
CASE(adjtimex) {
    struct timex *t = slot();
    memset(t, 0, sizeof *t);
    CALL(adjtimex, t);
}
CASE(gettimeofday) {
    CALL(gettimeofday, slot(), slot());
}
CASE(getitimer) {
    CALL(getitimer, ITIMER_REAL, slot());
}
CASE(setitimer) {
    struct itimerval *t = slot();
    memset(t, 0, sizeof *t);
    CALL(setitimer, ITIMER_REAL, t, slot());
}
CASE(timer_create) {
    CALL(timer_create, CLOCK_MONOTONIC, 0, slot());
}
CASE(timer_gettime) {
    int *t = slot();
    CALL(timer_create, CLOCK_MONOTONIC, 0, t);
    CALL(timer_gettime, *t, slot());
}
CASE(timer_settime) {
    int *t = slot();
    CALL(timer_create, CLOCK_MONOTONIC, 0, t);
    struct itimerspec *s = slot();
    memset(s, 0, sizeof *s);
    CALL(timer_settime, *t, 0, s, slot());
}
CASE(timerfd_gettime) {
    CALL(timerfd_gettime, timerfd_create(CLOCK_MONOTONIC, 0), slot());
}
CASE(timerfd_settime) {
    struct itimerspec *s = slot();
    memset(s, 0, sizeof *s);
    CALL(timerfd_settime, timerfd_create(CLOCK_MONOTONIC, 0), 0, s, slot());
}
CASE(nanosleep) {
    struct timespec *t = slot();
    *t = (struct timespec){0, 1000};
    CALL(nanosleep, t, slot());
}
CASE(nanosleep_interrupted) {
    interrupt_soon();
    struct timespec *t = slot();
    *t = (struct timespec){5, 0};
    FAILS(nanosleep, t, slot());
}
CASE(clock_nanosleep_interrupted) {
    interrupt_soon();
    struct timespec *t = slot();
    *t = (struct timespec){5, 0};
    FAILS(clock_nanosleep, CLOCK_MONOTONIC, 0, t, slot());
}
