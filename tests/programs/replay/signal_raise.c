/* exit: 0 */
/* A handler, called by raise: what it gets, and that the program goes on after it. */
#include "check.h"

#include <signal.h>

static volatile sig_atomic_t count, last;

static void on_signal(int number) {
    last = number;
    count++;
}

int main(void) {
    struct sigaction action = {.sa_handler = on_signal};

    for (int number = SIGRTMIN; number < SIGRTMIN + 5; number++)
        CHECK(sigaction(number, &action, NULL) == 0 && raise(number) == 0 && last == number);
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    for (int i = 0; i < 100; i++)
        CHECK(kill(getpid(), SIGUSR1) == 0 && count == 6 + i);
    printf("%d signals to %d\n", count, getpid());
    return 0;
}
