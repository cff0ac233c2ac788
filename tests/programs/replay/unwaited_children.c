/* exit: 0 */
/* Children that end and are never waited for, and one that is killed by its parent's end. */
#include "check.h"

#include <signal.h>
#include <sys/prctl.h>

int main(void) {
    for (int i = 0; i < 5; i++) {
        pid_t child = fork();
        if (child == 0)
            _exit(i);
        printf("%d\n", child);
    }
    if (fork() == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() == 1)
            _exit(0);
        for (;;)
            pause();
    }
    sleep_ms(3);
    return 0;
}
