/* exit: 0 */
/* alarm and a real interval timer strike a loop that makes no system call, at any instruction. */
#include "check.h"

#include <signal.h>
#include <sys/time.h>

static volatile sig_atomic_t count;
static volatile uint64_t progress;

static void on_alarm(int number) {
    (void)number;
    count++;
}

int main(void) {
    struct sigaction action = {.sa_handler = on_alarm};
    struct itimerval timer = {{0, 3000}, {0, 3000}}, left;

    CHECK(sigaction(SIGALRM, &action, NULL) == 0);
    CHECK(alarm(100) == 0 && alarm(0) == 100);
    CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
    uint64_t value = 1;
    while (count < 20) {
        value = value * 6364136223846793005u + 1442695040888963407u;
        progress++;
    }
    CHECK(getitimer(ITIMER_REAL, &left) == 0 && left.it_interval.tv_usec == 3000);
    CHECK(setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 0}}, NULL) == 0);
    printf("%llu rounds, value %016llx, %ld us left\n", (unsigned long long)progress, (unsigned long long)value,
           (long)left.it_value.tv_usec);
    return 0;
}
