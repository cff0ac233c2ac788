/* exit: 0 */
/* Sessions and process groups: setsid, setpgid, and what cannot be. */
#include "check.h"

int main(void) {
    printf("session %d, group %d\n", getsid(0), getpgid(0));
    pid_t child = fork();
    if (child == 0) {
        CHECK(setsid() == getpid() && getsid(0) == getpid() && getpgrp() == getpid());
        CHECK(setsid() == -1 && errno == EPERM && setpgid(0, 0) == -1 && errno == EPERM);
        printf("leader %d\n", getpid());
        pid_t grandchild = fork();
        if (grandchild == 0) {
            CHECK(getsid(0) == getppid() && setpgid(0, 0) == 0 && getpgrp() == getpid());
            CHECK(setpgid(0, getppid()) == 0 && getpgrp() == getppid());
            _exit(2);
        }
        join(grandchild, 2);
        _exit(1);
    }
    join(child, 1);
    CHECK(getsid(0x3fffffff) == -1 && errno == ESRCH && setpgid(0, -1) == -1 && errno == EINVAL);
    return 0;
}
