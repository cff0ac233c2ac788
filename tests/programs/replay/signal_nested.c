/* exit: 0 */
/* Handlers that other signals interrupt, each with a mask of its own. */
#include "check.h"

#include <signal.h>

static volatile sig_atomic_t order[10], count;

static void on_signal(int number) {
    order[count++] = number;
    if (number == SIGUSR1) {
        raise(SIGUSR2); /* not in the mask: at once */
        raise(SIGHUP);  /* in the mask: after this handler */
        order[count++] = -number;
    }
}

int main(void) {
    struct sigaction action = {.sa_handler = on_signal};

    sigaddset(&action.sa_mask, SIGHUP);
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0 && sigaction(SIGUSR2, &action, NULL) == 0 &&
          sigaction(SIGHUP, &action, NULL) == 0);
    raise(SIGUSR1);
    CHECK(count == 4 && order[0] == SIGUSR1 && order[1] == SIGUSR2 && order[2] == -SIGUSR1 && order[3] == SIGHUP);
    for (int i = 0; i < count; i++)
        printf("%d ", order[i]);
    printf("in %d\n", getpid());
    return 0;
}
