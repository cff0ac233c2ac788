/* exit: 0 */
/* ITIMER_VIRTUAL and ITIMER_PROF in a computing loop: SIGVTALRM and SIGPROF in whatever order the CPU time brings. */
#include "check.h"

#include <signal.h>
#include <sys/time.h>

static volatile sig_atomic_t virtual, profile;

static void on_timer(int number) {
    if (number == SIGVTALRM)
        virtual ++;
    else
        profile++;
}

int main(void) {
    struct sigaction action = {.sa_handler = on_timer, .sa_flags = SA_RESTART};
    struct itimerval timer = {{0, 8000}, {0, 8000}};
    uint64_t rounds = 0;
    double value = 1;

    CHECK(sigaction(SIGVTALRM, &action, NULL) == 0 && sigaction(SIGPROF, &action, NULL) == 0);
    CHECK(setitimer(ITIMER_VIRTUAL, &timer, NULL) == 0 && setitimer(ITIMER_PROF, &timer, NULL) == 0);
    while (virtual < 4 || profile < 4) {
        value = value * 1.0000001 + 1;
        if (++rounds % 100000 == 0)
            getppid();
    }
    printf("%d and %d after %llu rounds: %a\n", virtual, profile, (unsigned long long)rounds, value);
    return 0;
}
