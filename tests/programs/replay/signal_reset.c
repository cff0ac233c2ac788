/* signal: SIGUSR1 */
/* SA_RESETHAND: the first signal is handled, the second is fatal. */
#include "check.h"

#include <signal.h>

static void on_signal(int number) {
    printf("handled %d in %d\n", number, getpid());
}

int main(void) {
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESETHAND};

    CHECK(sigaction(SIGUSR1, &action, NULL) == 0 && raise(SIGUSR1) == 0);
    CHECK(sigaction(SIGUSR1, NULL, &action) == 0 && action.sa_handler == SIG_DFL);
    raise(SIGUSR1);
    return 1;
}
