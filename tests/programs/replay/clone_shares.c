/* exit: 0 */
/* clone with CLONE_FILES, CLONE_FS, CLONE_VM on a stack of its own, CLONE_PARENT, and the tids written. */
#include "check.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>

static char *stack;
static volatile int shared, child_tid;

static int change(void *argument) {
    (void)argument;
    shared = getpid();
    if (dup2(0, 77) != 77 || mkdir("below", 0700) || chdir("below"))
        return 1;
    umask(0123);
    return 6;
}

static int grandchild(void *unused) {
    (void)unused;
    printf("%d of %d\n", getpid(), getppid());
    return child_tid == getpid() ? 7 : 1;
}

static pid_t start(int (*function)(void *), int flags) {
    static int parent_tid;

    pid_t child = clone(function, stack + 65536, flags | SIGCHLD | CLONE_PARENT_SETTID, NULL, &parent_tid, NULL,
                        (void *)&child_tid);
    CHECK(child > 0 && ((flags & CLONE_PARENT) || parent_tid == child));
    return child;
}

int main(void) {
    struct stat status;
    mode_t mask = umask(022);

    stack = malloc(65536);
    umask(022);
    pid_t child = start(change, 0);
    join(child, 6);
    CHECK(shared == 0 && fcntl(77, F_GETFD) == -1 && stat("below", &status) == 0 && rmdir("below") == 0);
    child = start(change, CLONE_FILES);
    join(child, 6);
    CHECK(shared == 0 && fcntl(77, F_GETFD) == 0 && close(77) == 0 && rmdir("below") == 0);
    child = start(change, CLONE_FS);
    join(child, 6);
    CHECK(umask(022) == 0123 && chdir("..") == 0 && rmdir("below") == 0 && shared == 0);
    child = start(change, CLONE_VM);
    join(child, 6);
    CHECK(shared == child && rmdir("below") == 0);
    printf("%d wrote %d, mask %o\n", child, shared, mask);
    pid_t middle = fork();
    if (middle == 0) {
        start(grandchild, CLONE_PARENT | CLONE_CHILD_SETTID);
        _exit(0);
    }
    int results[2] = {0, 0};
    for (int i = 0; i < 2; i++) {
        int ended;
        pid_t pid = wait(&ended);
        CHECK(pid > 0 && WIFEXITED(ended));
        results[pid == middle] = WEXITSTATUS(ended) + 1;
    }
    CHECK(results[0] == 8 && results[1] == 1);
    return 0;
}
