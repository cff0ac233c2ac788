/* exit: 0 */
/* What prctl asks and tells: names, dumpable, timer slack, no-new-privileges, and the parent's death signal. */
#include "check.h"

#include <signal.h>
#include <sys/prctl.h>

int main(void) {
    char name[16];
    int signal_number, ends[2];

    CHECK(prctl(PR_SET_NAME, "renamed") == 0 && prctl(PR_GET_NAME, name) == 0 && strcmp(name, "renamed") == 0);
    printf("%s, dumpable %d, slack %d, secure bits %d\n", name, prctl(PR_GET_DUMPABLE), prctl(PR_GET_TIMERSLACK),
           prctl(PR_GET_SECUREBITS));
    CHECK(prctl(PR_SET_TIMERSLACK, 123456) == 0 && prctl(PR_GET_TIMERSLACK) == 123456);
    CHECK(prctl(PR_SET_KEEPCAPS, 1) == 0 && prctl(PR_GET_KEEPCAPS) == 1);
    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
    printf("capabilities:");
    for (int i = 0; i < 10; i++)
        printf(" %d", prctl(PR_CAPBSET_READ, i));
    printf("\n");
    CHECK(prctl(12345) == -1 && errno == EINVAL && pipe(ends) == 0);
    pid_t middle = fork();
    if (middle == 0) {
        pid_t child = fork();
        if (child == 0) {
            CHECK(prctl(PR_SET_PDEATHSIG, SIGUSR1) == 0 && prctl(PR_GET_PDEATHSIG, &signal_number) == 0);
            CHECK(signal_number == SIGUSR1 && write(ends[1], "x", 1) == 1);
            for (;;)
                pause();
        }
        CHECK(read(ends[0], name, 1) == 1);
        _exit(0);
    }
    close(ends[1]);
    join(middle, 0);
    CHECK(read(ends[0], name, 1) == 0); /* when the last writer has been killed */
    printf("%d and its child are gone\n", middle);
    return 0;
}
