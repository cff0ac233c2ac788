/* exit: 0 */
/* sigprocmask and sigpending: what is blocked waits, standard signals once, real-time ones each, lowest first. */
#include "check.h"

#include <signal.h>

static volatile sig_atomic_t order[32];
static volatile uintptr_t values[32];
static volatile sig_atomic_t count;

static void on_signal(int number, siginfo_t *info, void *context) {
    (void)context;
    order[count] = number;
    values[count++] = (uintptr_t)info->si_value.sival_ptr;
}

int main(void) {
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
    sigset_t mask, pending, old;
    uint64_t words[3];

    fill_random(words, sizeof words);
    sigfillset(&action.sa_mask);
    sigemptyset(&mask);
    int numbers[] = {SIGUSR1, SIGUSR2, SIGRTMIN, SIGRTMIN + 1};
    for (size_t i = 0; i < COUNT(numbers); i++) {
        sigaddset(&mask, numbers[i]);
        CHECK(sigaction(numbers[i], &action, NULL) == 0);
    }
    CHECK(sigprocmask(SIG_BLOCK, &mask, &old) == 0);
    for (int i = 0; i < 3; i++) {
        CHECK(sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_ptr = (void *)words[i]}) == 0);
        CHECK(sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_ptr = (void *)words[i]}) == 0);
        CHECK(raise(SIGUSR2) == 0 && kill(getpid(), SIGUSR1) == 0);
    }
    CHECK(sigpending(&pending) == 0 && sigismember(&pending, SIGUSR1) && sigismember(&pending, SIGRTMIN) && count == 0);
    CHECK(sigprocmask(SIG_SETMASK, &old, NULL) == 0 && count == 8);
    for (int i = 0; i < count; i++)
        printf("%d %lx\n", order[i], (long)values[i]);
    CHECK(order[2] == SIGRTMIN && values[2] == words[0] && values[7] == words[2]);
    CHECK(sigpending(&pending) == 0 && !sigismember(&pending, SIGUSR1));
    CHECK(sigprocmask(100, &mask, NULL) == -1 && errno == EINVAL);
    return 0;
}
