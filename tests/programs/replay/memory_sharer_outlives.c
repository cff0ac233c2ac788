/* exit: 0 */
/* A process that shares its parent's memory, but is no thread of it, goes on when that one has ended. */
#include "check.h"

#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>

static volatile int words[4];
static int ends[2];

static int sharer(void *parent) {
    while (getppid() == (int)(intptr_t)parent)
        words[0]++;
    words[1] = words[0] > 0;
    int word = words[1] + 40;
    return write(ends[1], &word, sizeof word) == sizeof word ? word : 1;
}

int main(void) {
    int word, status;

    CHECK(pipe(ends) == 0 && prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
    pid_t middle = fork();
    if (middle == 0) {
        char *stack = malloc(65536);
        pid_t child = clone(sharer, stack + 65536, CLONE_VM | SIGCHLD, (void *)(intptr_t)getpid());
        CHECK(child > 0);
        while (words[0] < 1000)
            sched_yield();
        printf("%d leaves %d behind\n", getpid(), child);
        _exit(2);
    }
    join(middle, 2);
    CHECK(read(ends[0], &word, sizeof word) == sizeof word && word == 41);
    pid_t last = wait(&status);
    CHECK(last > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 41);
    printf("%d ended\n", last);
    return 0;
}
