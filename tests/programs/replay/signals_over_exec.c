/* exit: 0 */
/* What exec keeps of signals: ignored ones, the mask, what is pending; handlers and the alternate stack are gone. */
#include "check.h"

#include <signal.h>

static void on_signal(int number) {
    _exit(number);
}

int main(int argc, char **argv) {
    struct sigaction action = {.sa_handler = on_signal}, got;
    sigset_t mask, pending;

    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    if (argc == 1) {
        stack_t stack = {.ss_sp = malloc(65536), .ss_size = 65536};
        CHECK(sigaltstack(&stack, NULL) == 0 && sigaction(SIGUSR2, &action, NULL) == 0);
        signal(SIGHUP, SIG_IGN);
        CHECK(sigprocmask(SIG_BLOCK, &mask, NULL) == 0 && raise(SIGUSR1) == 0);
        printf("%d executes\n", getpid());
        execl("/proc/self/exe", argv[0], "again", NULL);
        return 1;
    }
    stack_t stack;
    CHECK(sigaction(SIGHUP, NULL, &got) == 0 && got.sa_handler == SIG_IGN);
    CHECK(sigaction(SIGUSR2, NULL, &got) == 0 && got.sa_handler == SIG_DFL);
    CHECK(sigprocmask(SIG_BLOCK, NULL, &mask) == 0 && sigismember(&mask, SIGUSR1));
    CHECK(sigpending(&pending) == 0 && sigismember(&pending, SIGUSR1));
    CHECK(sigaltstack(NULL, &stack) == 0 && stack.ss_flags == SS_DISABLE);
    pid_t child = fork();
    if (child == 0) {
        CHECK(sigpending(&pending) == 0 && !sigismember(&pending, SIGUSR1));
        _exit(0);
    }
    join(child, 0);
    printf("all kept by %d\n", getpid());
    return 0;
}
