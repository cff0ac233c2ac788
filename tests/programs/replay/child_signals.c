/* exit: 0 */
/* SIGCHLD: a handler that reaps, SA_NOCLDWAIT, SA_NOCLDSTOP, and SIG_IGN. */
#include "check.h"

#include <signal.h>

static volatile sig_atomic_t reaped, signals, last_code;

static void on_child(int number, siginfo_t *info, void *context) {
    int status, saved = errno;

    (void)number;
    (void)context;
    signals++;
    last_code = info->si_code;
    while (waitpid(-1, &status, WNOHANG) > 0)
        reaped++;
    errno = saved;
}

int main(void) {
    struct sigaction action = {.sa_sigaction = on_child, .sa_flags = SA_SIGINFO | SA_RESTART | SA_NOCLDSTOP};
    pid_t last = 0;

    CHECK(sigaction(SIGCHLD, &action, NULL) == 0);
    for (int i = 0; i < 10; i++) {
        last = fork();
        if (last == 0)
            _exit(i);
    }
    while (reaped < 10)
        sleep_ms(1);
    printf("10 reaped, the last %d, code %d\n", last, last_code);
    pid_t child = fork();
    if (child == 0) {
        raise(SIGSTOP);
        _exit(0);
    }
    siginfo_t info;
    CHECK(waitid(P_PID, child, &info, WSTOPPED) == 0 && info.si_code == CLD_STOPPED);
    int before = reaped;
    CHECK(kill(child, SIGCONT) == 0);
    while (reaped == before)
        sleep_ms(1);
    action.sa_flags = SA_SIGINFO | SA_NOCLDWAIT;
    CHECK(sigaction(SIGCHLD, &action, NULL) == 0);
    if (fork() == 0)
        _exit(0);
    CHECK(wait(NULL) == -1 && (errno == ECHILD || errno == EINTR));
    signal(SIGCHLD, SIG_IGN);
    child = fork();
    if (child == 0)
        _exit(0);
    while (waitpid(child, NULL, 0) == -1 && errno != ECHILD)
        ;
    printf("nobody left of %d\n", child);
    return 0;
}
