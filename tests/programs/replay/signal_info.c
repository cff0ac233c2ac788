/* exit: 0 */
/* SA_SIGINFO: the sender, the code and the value that came with a signal. */
#include "check.h"

#include <signal.h>
#include <ucontext.h>

static siginfo_t seen;
static void *volatile context;

static void on_signal(int number, siginfo_t *info, void *pointer) {
    CHECK(number == info->si_signo);
    seen = *info;
    context = pointer;
}

static void show(const char *how) {
    printf("%s: signal %d, code %d, from %d of user %u, value %p\n", how, seen.si_signo, seen.si_code, seen.si_pid,
           seen.si_uid, seen.si_value.sival_ptr);
    CHECK(seen.si_pid == getpid());
    memset(&seen, 0, sizeof seen);
}

int main(void) {
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
    union sigval value = {.sival_ptr = (void *)random_word()};

    CHECK(sigaction(SIGUSR1, &action, NULL) == 0 && sigaction(SIGRTMIN + 3, &action, NULL) == 0);
    CHECK(kill(getpid(), SIGUSR1) == 0 && seen.si_code == SI_USER);
    show("kill");
    CHECK(raise(SIGUSR1) == 0 && seen.si_code == SI_TKILL);
    show("raise");
    CHECK(sigqueue(getpid(), SIGRTMIN + 3, value) == 0 && seen.si_code == SI_QUEUE);
    CHECK(seen.si_value.sival_ptr == value.sival_ptr);
    show("sigqueue");
    printf("frame at %p\n", context);
    return 0;
}
