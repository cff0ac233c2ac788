/* exit: 0 */
/* An interval timer strikes while the process forks and waits. */
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
    struct itimerval timer = {{0, 1500}, {0, 1500}}, off = {{0, 0}, {0, 0}};

    CHECK(sigaction(SIGALRM, &action, NULL) == 0 && setitimer(ITIMER_REAL, &timer, NULL) == 0);
    for (int i = 0; i < 30; i++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            struct itimerval got;
            CHECK(getitimer(ITIMER_REAL, &got) == 0 && got.it_value.tv_usec == 0);
            for (volatile int k = 0; k < 100000; k++)
                ;
            _exit(i);
        }
        join(child, i);
    }
    CHECK(setitimer(ITIMER_REAL, &off, NULL) == 0);
    printf("%d alarms\n", count);
    return 0;
}
