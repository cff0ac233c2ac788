/* exit: 0 */
/* POSIX timers that send signals with values, on several clocks: settime, gettime, overruns, delete. */
#include "check.h"

#include <signal.h>
#include <sys/syscall.h>

static volatile sig_atomic_t count[3];
static volatile int overruns;

static void on_timer(int number, siginfo_t *info, void *context) {
    (void)number;
    (void)context;
    if (info->si_code == SI_TIMER) {
        count[info->si_value.sival_int]++;
        overruns += info->si_overrun;
    }
}

int main(void) {
    static const clockid_t clocks[3] = {CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_PROCESS_CPUTIME_ID};
    struct sigaction action = {.sa_sigaction = on_timer, .sa_flags = SA_SIGINFO | SA_RESTART};
    struct itimerspec period = {{0, 4000000}, {0, 4000000}}, left;
    timer_t timers[3];
    uint64_t rounds = 0;

    CHECK(sigaction(SIGRTMIN, &action, NULL) == 0);
    for (int i = 0; i < 3; i++) {
        struct sigevent event = {
            .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN, .sigev_value = {.sival_int = i}};
        CHECK(timer_create(clocks[i], &event, &timers[i]) == 0 && timer_settime(timers[i], 0, &period, NULL) == 0);
    }
    while (count[0] < 5 || count[1] < 5 || count[2] < 3)
        rounds++;
    for (int i = 0; i < 3; i++) {
        CHECK(timer_gettime(timers[i], &left) == 0 && left.it_interval.tv_nsec == 4000000);
        printf("%ld left, overrun %d\n", left.it_value.tv_nsec, timer_getoverrun(timers[i]));
        CHECK(timer_delete(timers[i]) == 0);
    }
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN};
    event._sigev_un._tid = gettid();
    timer_t own;
    int before = count[0];
    CHECK(timer_create(CLOCK_MONOTONIC, &event, &own) == 0);
    CHECK(timer_settime(own, 0, &(struct itimerspec){{0, 0}, {0, 1000000}}, NULL) == 0);
    while (count[0] == before)
        rounds++;
    printf("%d %d %d, overruns %d, %llu rounds\n", count[0], count[1], count[2], overruns, (unsigned long long)rounds);
    return 0;
}
