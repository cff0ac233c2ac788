/* exit: 0 */
/* What vfork does: the child runs on its parent's memory, and ends by _exit, by exec or by a failed exec. */
#include "check.h"

#include <signal.h>

int main(int argc, char **argv) {
    static volatile int shared;

    if (argc == 2) {
        printf("executed: %d of %d\n", getpid(), getppid());
        return 9;
    }
    volatile pid_t child = vfork();
    if (child == 0) {
        shared = getpid();
        _exit(3);
    }
    CHECK(shared == child);
    join(child, 3);
    printf("child %d\n", child);
    child = vfork();
    if (child == 0) {
        execl("/proc/self/exe", argv[0], "again", NULL);
        _exit(1);
    }
    join(child, 9);
    child = vfork();
    if (child == 0) {
        execl("/does/not/exist", "x", NULL);
        shared = errno;
        _exit(4);
    }
    CHECK(shared == ENOENT);
    join(child, 4);
    child = vfork();
    if (child == 0) {
        kill(getpid(), SIGKILL);
        _exit(1);
    }
    CHECK(WTERMSIG(status_of(child)) == SIGKILL);
    printf("last child %d\n", child);
    return 0;
}
