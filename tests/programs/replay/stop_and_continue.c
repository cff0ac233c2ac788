/* exit: 0 */
/* Stopping and continuing a child: WUNTRACED, WCONTINUED, WSTOPPED with WNOWAIT, in a call and in a loop. */
#include "check.h"

#include <signal.h>

int main(void) {
    siginfo_t info;
    int status, ends[2];
    char byte = 'x';

    CHECK(pipe(ends) == 0);
    pid_t child = fork();
    if (child == 0) {
        for (int i = 0; i < 4; i++) {
            raise(SIGSTOP);
            CHECK(read(ends[0], &byte, 1) == 1); /* or the next stop might hide that it was continued */
        }
        _exit(6);
    }
    for (int i = 0; i < 4; i++) {
        CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
        printf("%d stopped: %x\n", child, status);
        if (i % 2)
            CHECK(kill(child, SIGCONT) == 0 && waitpid(child, &status, WCONTINUED) == child && WIFCONTINUED(status));
        else
            CHECK(kill(child, SIGCONT) == 0 && waitid(P_PID, child, &info, WCONTINUED) == 0 &&
                  info.si_code == CLD_CONTINUED && info.si_status == SIGCONT);
        CHECK(write(ends[1], &byte, 1) == 1);
    }
    join(child, 6);
    child = fork();
    if (child == 0)
        for (volatile unsigned long i = 0;; i++)
            ;
    for (int i = 0; i < 5; i++) {
        CHECK(kill(child, SIGSTOP) == 0);
        CHECK(waitid(P_PID, child, &info, WSTOPPED | WNOWAIT) == 0 && info.si_code == CLD_STOPPED);
        CHECK(waitid(P_PID, child, &info, WSTOPPED) == 0 && info.si_status == SIGSTOP && info.si_pid == child);
        CHECK(kill(child, SIGCONT) == 0);
    }
    CHECK(kill(child, SIGSTOP) == 0 && kill(child, SIGKILL) == 0);
    do
        CHECK(waitpid(child, &status, WUNTRACED) == child);
    while (WIFSTOPPED(status));
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    printf("%d killed while stopped\n", child);
    return 0;
}
