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

CASE(timer_rest) {
    int *t = slot();
    CALL(timer_create, CLOCK_MONOTONIC, SLOT_OF(struct sigevent, {.sigev_notify = SIGEV_NONE}), t);
    CALL(timer_getoverrun, *t);
    CALL(timer_settime, *t, 0, SLOT_OF(struct itimerspec, {{0, 0}, {100, 0}}), NULL);
    CALL(timer_gettime, *t, slot());
    CALL(timer_delete, *t);
    FAILS(timer_gettime, *t, slot());
    FAILS(timer_settime, *t, 0, SLOT_OF(struct itimerspec, {{0, 0}, {100, 0}}), slot());
    FAILS(timer_create, 12345, NULL, slot());
    FAILS(timer_create, CLOCK_MONOTONIC_RAW, NULL, slot());
    FAILS(timer_create, CLOCK_MONOTONIC, NULL, (void *)8);
}
CASE(timerfd_read) {
    int t = CALL(timerfd_create, CLOCK_MONOTONIC, 0);
    CALL(timerfd_settime, t, 0, SLOT_OF(struct itimerspec, {{0, 0}, {0, 1000}}), NULL);
    CALL(read, t, slot(), 8);
}
/* A clock is set by nothing of this: the pointers are bad, or the time is. */
CASE(settimeofday) {
    FAILS(settimeofday, (void *)8, NULL);
    FAILS(settimeofday, SLOT_OF(struct timeval, {-1, -1}), NULL);
    FAILS(clock_settime, CLOCK_REALTIME, (void *)8);
    FAILS(clock_settime, CLOCK_MONOTONIC, SLOT_OF(struct timespec, {1, 1}));
}
CASE(clocks_fail) {
    FAILS(clock_gettime, 12345, slot());
    FAILS(clock_getres, 12345, slot());
    CALL(clock_gettime, CLOCK_PROCESS_CPUTIME_ID, slot());
    CALL(clock_getres, CLOCK_MONOTONIC, NULL);
    FAILS(clock_adjtime, CLOCK_MONOTONIC, memset(slot(), 0, 208));
    struct timex *t = memset(slot(), 0, sizeof *t);
    t->modes = ADJ_TICK; /* no tick is that short */
    FAILS(adjtimex, t);
    FAILS(getitimer, 99, slot());
    FAILS(setitimer, 99, memset(slot(), 0, 32), slot());
}
CASE(itimers) {
    CALL(setitimer, ITIMER_VIRTUAL, SLOT_OF(struct itimerval, {{0, 0}, {100, 0}}), slot());
    CALL(getitimer, ITIMER_VIRTUAL, slot());
}
CASE(sleeps) {
    struct timespec *t = SLOT_OF(struct timespec, {0, 1000});
    CALL(clock_nanosleep, CLOCK_MONOTONIC, 0, t, slot());
    CALL(clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, t, slot());
    FAILS(nanosleep, SLOT_OF(struct timespec, {0, -1}), slot());
    FAILS(clock_nanosleep, 12345, 0, t, slot());
    interrupt_soon();
    FAILS(clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, SLOT_OF(struct timespec, {1l << 40, 0}), slot());
}
