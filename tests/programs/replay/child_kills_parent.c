/* signal: SIGTERM */
/* A child sends its parent the signal it dies of, and goes on a little. */
#include "check.h"

#include <signal.h>

int main(void) {
    pid_t parent = getpid();

    printf("%d waits\n", parent);
    if (fork() == 0) {
        sleep_ms(2);
        CHECK(kill(parent, SIGTERM) == 0);
        while (getppid() == parent)
            usleep(500);
        _exit(0);
    }
    for (;;)
        pause();
}
