/* exit: 0 */
/* A child and a timer send signals as fast as they can, to a parent that computes and calls. */
#include "check.h"

#include <signal.h>
#include <sys/time.h>

static volatile uint64_t queued, alarms, sum;

static void on_queue(int number, siginfo_t *info, void *context) {
    (void)number;
    (void)context;
    queued++;
    sum = sum * 31 + (unsigned)info->si_value.sival_int;
}

static void on_alarm(int number) {
    (void)number;
    alarms++;
}

int main(void) {
    struct sigaction action = {.sa_sigaction = on_queue, .sa_flags = SA_SIGINFO | SA_RESTART};
    struct sigaction alarm_action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    struct itimerval timer = {{0, 1000}, {0, 1000}};
    uint64_t value = random_word(), rounds = 0;

    CHECK(sigaction(SIGRTMIN, &action, NULL) == 0 && sigaction(SIGALRM, &alarm_action, NULL) == 0);
    CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
    pid_t parent = getpid(), child = fork();
    if (child == 0) {
        for (int i = 0; i < 500; i++)
            while (sigqueue(parent, SIGRTMIN, (union sigval){.sival_int = i}))
                CHECK(errno == EAGAIN);
        _exit(0);
    }
    while (queued < 500 || alarms < 5) {
        value = value * 6364136223846793005u + queued;
        if (++rounds % 1000 == 0)
            getppid();
    }
    join(child, 0);
    printf("%llu alarms, %llu rounds, %016llx, %016llx\n", (unsigned long long)alarms, (unsigned long long)rounds,
           (unsigned long long)value, (unsigned long long)sum);
    return 0;
}
