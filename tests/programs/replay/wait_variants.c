/* exit: 0 */
/* wait4 and waitid by group, by descriptor, with __WALL and __WNOTHREAD, and what each says of nobody. */
#include "check.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>

int main(void) {
    struct rusage usage;
    siginfo_t info;
    int status;

    pid_t leader = fork();
    if (leader == 0) {
        setpgid(0, 0);
        _exit(1);
    }
    setpgid(leader, leader);
    pid_t member = fork();
    if (member == 0)
        _exit(2);
    CHECK(waitpid(0, &status, 0) == member && WEXITSTATUS(status) == 2);
    CHECK(waitid(P_PGID, (id_t)leader, &info, WEXITED | WNOWAIT) == 0 && info.si_pid == leader);
    CHECK(wait4(-leader, &status, __WALL, &usage) == leader && WEXITSTATUS(status) == 1);
    printf("%d and %d, %ld faults\n", leader, member, usage.ru_minflt);
    pid_t child = fork();
    if (child == 0) {
        for (;;)
            pause();
    }
    memset(&info, 0x55, sizeof info);
    CHECK(waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG) == 0 && info.si_pid == 0);
    CHECK(kill(child, SIGTERM) == 0);
    int fd = (int)syscall(SYS_pidfd_open, child, 0);
    if (!absent(fd, "pidfd_open"))
        CHECK(waitid(P_PIDFD, (id_t)fd, &info, WEXITED) == 0 && info.si_code == CLD_KILLED &&
              info.si_status == SIGTERM);
    else
        CHECK(waitid(P_PID, (id_t)child, &info, WEXITED) == 0);
    printf("%d by %d, uid %u\n", info.si_pid, info.si_status, info.si_uid);
    CHECK(waitid(P_ALL, 0, &info, WEXITED) == -1 && errno == ECHILD && waitid(P_ALL, 0, &info, 0) == -1 &&
          errno == EINVAL);
    CHECK(syscall(SYS_waitid, P_ALL, 0, NULL, WEXITED | __WNOTHREAD, &usage) == -1);
    return 0;
}
