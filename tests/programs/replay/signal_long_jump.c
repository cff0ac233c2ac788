/* exit: 0 */
/* siglongjmp out of handlers, with and without the mask restored, many times over. */
#include "check.h"

#include <setjmp.h>
#include <signal.h>

static sigjmp_buf place;

static void on_signal(int number) {
    siglongjmp(place, number);
}

int main(void) {
    struct sigaction action = {.sa_handler = on_signal};
    sigset_t mask;
    volatile int jumps = 0;

    CHECK(sigaction(SIGUSR1, &action, NULL) == 0 && sigaction(SIGUSR2, &action, NULL) == 0);
    for (volatile int i = 0; i < 100; i++) {
        int got = sigsetjmp(place, 1);
        if (got == 0)
            raise(i % 2 ? SIGUSR1 : SIGUSR2);
        CHECK(got == (i % 2 ? SIGUSR1 : SIGUSR2));
        jumps = jumps + 1;
    }
    if (sigsetjmp(place, 0) == 0)
        raise(SIGUSR1);
    CHECK(sigprocmask(SIG_BLOCK, NULL, &mask) == 0 && sigismember(&mask, SIGUSR1) && !sigismember(&mask, SIGUSR2));
    printf("%d jumps in %d, frame %p\n", jumps, getpid(), __builtin_frame_address(0));
    return 0;
}
