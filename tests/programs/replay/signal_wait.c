/* exit: 0 */
/* sigwaitinfo, sigtimedwait and sigwait: taking signals without handlers, from oneself and from a child. */
#include "check.h"

#include <signal.h>

int main(void) {
    sigset_t mask;
    siginfo_t info;
    int number;

    sigemptyset(&mask);
    sigaddset(&mask, SIGRTMIN);
    sigaddset(&mask, SIGUSR1);
    CHECK(sigprocmask(SIG_BLOCK, &mask, NULL) == 0);
    CHECK(sigtimedwait(&mask, &info, &(struct timespec){0, 1000000}) == -1 && errno == EAGAIN);
    CHECK(raise(SIGUSR1) == 0 && sigwait(&mask, &number) == 0 && number == SIGUSR1);
    pid_t parent = getpid(), child = fork();
    if (child == 0) {
        for (int i = 0; i < 10; i++)
            CHECK(sigqueue(parent, SIGRTMIN, (union sigval){.sival_int = i * getpid()}) == 0);
        _exit(0);
    }
    for (int i = 0; i < 10; i++) {
        CHECK(sigwaitinfo(&mask, &info) == SIGRTMIN && info.si_pid == child && info.si_value.sival_int == i * child);
        printf("%d from %d\n", info.si_value.sival_int, info.si_pid);
    }
    join(child, 0);
    return 0;
}
