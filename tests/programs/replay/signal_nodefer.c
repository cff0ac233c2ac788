/* exit: 0 */
/* SA_NODEFER: a handler that its own signal interrupts, ten deep; without it the signal waits for the handler's end. */
#include "check.h"

#include <signal.h>

static volatile sig_atomic_t depth, deepest, calls;

static void on_signal(int number) {
    int here;

    calls++;
    depth++;
    if (depth > deepest) {
        deepest = depth;
        printf("depth %d at %p\n", depth, (void *)&here);
    }
    if (calls < 10)
        raise(number);
    depth--;
}

int main(void) {
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_NODEFER};

    CHECK(sigaction(SIGUSR1, &action, NULL) == 0 && raise(SIGUSR1) == 0);
    CHECK(deepest == 10 && calls == 10);
    calls = deepest = 0;
    action.sa_flags = 0;
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0 && raise(SIGUSR1) == 0);
    CHECK(deepest == 1 && calls == 10);
    printf("%d\n", getpid());
    return 0;
}
