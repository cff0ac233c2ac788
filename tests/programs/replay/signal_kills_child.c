/* exit: 0 */
/* Signals to children and process groups: fatal ones of several kinds, 0 to look, and one to nobody. */
#include "check.h"

#include <signal.h>

static pid_t sleeper(void) {
    pid_t child = fork();

    if (child == 0)
        for (;;)
            pause();
    return child;
}

int main(void) {
    static const int numbers[] = {SIGTERM, SIGKILL, SIGHUP, SIGINT, SIGUSR1, SIGALRM};

    for (size_t i = 0; i < COUNT(numbers); i++) {
        pid_t child = sleeper();
        CHECK(kill(child, 0) == 0 && kill(child, numbers[i]) == 0);
        int status = status_of(child);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == numbers[i]);
        printf("%d ended by %d\n", child, WTERMSIG(status));
        CHECK(kill(child, 0) == -1 && errno == ESRCH);
    }
    pid_t group = sleeper();
    CHECK(setpgid(group, group) == 0);
    pid_t member = fork();
    if (member == 0) {
        setpgid(0, group);
        for (;;)
            pause();
    }
    CHECK(setpgid(member, group) == 0 && getpgid(member) == group && killpg(group, SIGTERM) == 0);
    CHECK(WTERMSIG(status_of(group)) == SIGTERM && WTERMSIG(status_of(member)) == SIGTERM);
    printf("group %d with %d\n", group, member);
    return 0;
}
