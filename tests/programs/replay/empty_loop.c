/* exit: 0 */
/* A loop that changes nothing at all, left by a handler's jump, many times. */
#include "check.h"

#include <setjmp.h>
#include <signal.h>

static sigjmp_buf place;

static void on_alarm(int number) {
    siglongjmp(place, number);
}

int main(void) {
    signal(SIGALRM, on_alarm);
    for (volatile int i = 0; i < 10; i++) {
        if (sigsetjmp(place, 1) == 0) {
            ualarm(1500, 0);
            for (;;)
                __asm__ volatile("");
        }
        printf("out at %lld\n", (long long)now_ns());
    }
    return 0;
}
