/* exit: 0 */
/* Children that end in each way, waited for in each way. */
#include "check.h"

#include <signal.h>
#include <sys/resource.h>

int main(void) {
    siginfo_t info;
    struct rusage usage;
    int status;

    pid_t child = fork();
    if (child == 0)
        _exit(7);
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 7);
    printf("%d exited: %x\n", child, status);
    child = fork();
    if (child == 0) {
        raise(SIGKILL);
        _exit(1);
    }
    CHECK(wait4(-1, &status, 0, &usage) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    printf("%d killed: %x\n", child, status);
    child = fork();
    if (child == 0)
        _exit(300);
    CHECK(waitid(P_PID, child, &info, WEXITED | WNOWAIT) == 0 && info.si_pid == child && info.si_status == 44);
    printf("%d seen: %d %d %d\n", child, info.si_code, info.si_uid, info.si_status);
    CHECK(waitid(P_ALL, 0, &info, WEXITED) == 0 && info.si_pid == child);
    child = fork();
    if (child == 0) {
        sleep_ms(20);
        _exit(0);
    }
    pid_t got = waitpid(child, &status, WNOHANG);
    CHECK(got == 0 || got == child);
    printf("not waiting: %d\n", got);
    if (got == 0)
        join(child, 0);
    CHECK(wait(&status) == -1 && errno == ECHILD);
    return 0;
}
