/* exit: 0 */
/* sigaction asked and told for every signal: flags, masks, what cannot be changed, SIG_IGN. */
#include "check.h"

#include <signal.h>
#include <sys/syscall.h>

static void on_signal(int number) {
    (void)number;
}

int main(void) {
    static const int flags[] = {SA_NOCLDSTOP, SA_NOCLDWAIT, SA_ONSTACK, SA_RESTART, SA_NODEFER, (int)SA_RESETHAND};
    struct sigaction action = {.sa_handler = on_signal}, got;
    int taken = 0;

    for (int number = 1; number <= SIGRTMAX; number++) {
        int result = sigaction(number, &action, &got);
        if (result == 0)
            taken++;
        else
            CHECK(errno == EINVAL);
    }
    CHECK(sigaction(SIGKILL, &action, NULL) == -1 && sigaction(SIGSTOP, &action, NULL) == -1);
    for (size_t i = 0; i < COUNT(flags); i++) {
        action.sa_flags = flags[i];
        sigaddset(&action.sa_mask, (int)i + 1);
        CHECK(sigaction(SIGUSR1, &action, NULL) == 0 && sigaction(SIGUSR1, NULL, &got) == 0);
        CHECK((got.sa_flags & flags[i]) == flags[i] && sigismember(&got.sa_mask, (int)i + 1));
        printf("flags %x at %p\n", got.sa_flags, (void *)got.sa_handler);
    }
    signal(SIGUSR1, SIG_IGN);
    CHECK(raise(SIGUSR1) == 0 && signal(SIGUSR1, SIG_DFL) == SIG_IGN);
    CHECK(syscall(SYS_rt_sigaction, SIGUSR1, NULL, &got, 4l) == -1 && errno == EINVAL);
    printf("%d signals can be handled\n", taken);
    return 0;
}
