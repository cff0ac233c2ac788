/* exit: 0 */
/* A tree of processes three deep, in which all write to one pipe, and grandchildren that lose their parents. */
#include "check.h"

#include <sys/prctl.h>

static int ends[2];

static int grow(int depth) {
    int total = 1;

    for (int i = 0; depth > 0 && i < 3; i++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0)
            _exit(grow(depth - 1));
        int status = status_of(child);
        CHECK(WIFEXITED(status));
        total += WEXITSTATUS(status);
    }
    int numbers[2] = {getpid(), getppid()};
    CHECK(write(ends[1], numbers, sizeof numbers) == sizeof numbers);
    return total;
}

int main(void) {
    int numbers[2], total;

    CHECK(pipe(ends) == 0);
    CHECK(grow(3) == 40);
    for (total = 0; total < 40; total++) {
        CHECK(read(ends[0], numbers, sizeof numbers) == sizeof numbers);
        printf("%d of %d\n", numbers[0], numbers[1]);
    }
    /* an orphan comes to us */
    CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
    pid_t child = fork();
    if (child == 0) {
        pid_t self = getpid();
        if (fork() == 0) {
            while (getppid() == self)
                usleep(500);
            printf("orphan %d is now of %d\n", getpid(), getppid());
            _exit(8);
        }
        _exit(0);
    }
    join(child, 0);
    int status;
    pid_t orphan = wait(&status);
    CHECK(orphan > 0 && WEXITSTATUS(status) == 8);
    printf("orphan %d reaped\n", orphan);
    return 0;
}
