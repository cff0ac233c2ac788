/* exit: 0 */
/* sigsuspend and pause: waiting for a signal with no race between looking and waiting. */
#include "check.h"

#include <signal.h>

static volatile sig_atomic_t count;

static void on_signal(int number) {
    (void)number;
    count++;
}

int main(void) {
    struct sigaction action = {.sa_handler = on_signal};
    sigset_t mask, old;

    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0 && sigprocmask(SIG_BLOCK, &mask, &old) == 0);
    pid_t parent = getpid(), child = fork();
    if (child == 0) {
        for (int i = 0; i < 10; i++) {
            sleep_ms(i % 3);
            kill(parent, SIGUSR1);
        }
        _exit(0);
    }
    int waits = 0;
    while (count < 1) {
        CHECK(sigsuspend(&old) == -1 && errno == EINTR);
        waits++;
    }
    join(child, 0);
    CHECK(sigprocmask(SIG_BLOCK, NULL, &mask) == 0 && sigismember(&mask, SIGUSR1));
    CHECK(sigprocmask(SIG_SETMASK, &old, NULL) == 0);
    printf("%d waits, %d signals\n", waits, count > 0);
    child = fork();
    if (child == 0) {
        /* the signal may come before the pause: it is repeated */
        for (int i = 0; i < 200; i++) {
            sleep_ms(5);
            if (kill(parent, SIGUSR1))
                break;
        }
        _exit(0);
    }
    CHECK(pause() == -1 && errno == EINTR);
    CHECK(kill(child, SIGKILL) == 0 && WTERMSIG(status_of(child)) == SIGKILL);
    printf("woken at %lld\n", (long long)now_ns());
    return 0;
}
