/* exit: 0 */
/* clone3: a process with a pidfd and both tids, one with a chosen signal at its end, and what is refused. */
#include "check.h"

#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>

static volatile sig_atomic_t ended;

static void on_end(int number) {
    (void)number;
    ended++;
}

int main(void) {
    struct clone_args arguments = {.exit_signal = SIGCHLD};
    int fd = -1, child_tid = 0, parent_tid = 0;

    pid_t child = (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
    if (absent(child, "clone3"))
        return 0;
    if (child == 0)
        _exit(1);
    join(child, 1);
    arguments.flags = CLONE_PIDFD | CLONE_CHILD_SETTID | CLONE_PARENT_SETTID;
    arguments.pidfd = (uintptr_t)&fd;
    arguments.child_tid = (uintptr_t)&child_tid;
    arguments.parent_tid = (uintptr_t)&parent_tid;
    child = (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
    if (child == 0)
        _exit(child_tid == getpid() ? 2 : 1);
    CHECK(child > 0 && parent_tid == child && child_tid == 0 && fd >= 0);
    printf("%d with descriptor %d\n", child, fd);
    siginfo_t info;
    CHECK(waitid(P_PIDFD, (id_t)fd, &info, WEXITED) == 0 && info.si_status == 2);
    struct sigaction action = {.sa_handler = on_end};
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    arguments = (struct clone_args){.exit_signal = SIGUSR1, .flags = CLONE_CLEAR_SIGHAND};
    child = (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
    if (child == 0) {
        CHECK(sigaction(SIGUSR1, NULL, &action) == 0 && action.sa_handler == SIG_DFL);
        _exit(3);
    }
    int status;
    while (!ended)
        sleep_ms(1);
    CHECK(waitpid(child, &status, __WCLONE) == child && WEXITSTATUS(status) == 3);
    printf("%d ended\n", child);
    arguments.flags = CLONE_SIGHAND;
    CHECK(syscall(SYS_clone3, &arguments, sizeof arguments) == -1 && errno == EINVAL);
    CHECK(syscall(SYS_clone3, &arguments, 8l) == -1 && errno == EINVAL);
    return 0;
}
