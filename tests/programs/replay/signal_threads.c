/* exit: 0 */
/* Signals to chosen threads: pthread_kill, tgkill, pthread_sigqueue, each with a mask of its own. */
#include "check.h"

#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>

enum { threads = 4 };

static __thread volatile sig_atomic_t mine;
static pthread_barrier_t barrier;
static volatile pid_t tids[threads];

static void on_signal(int number, siginfo_t *info, void *context) {
    (void)number;
    (void)context;
    mine += 1 + info->si_value.sival_int;
}

static void *work(void *argument) {
    intptr_t index = (intptr_t)argument;

    tids[index] = gettid();
    pthread_barrier_wait(&barrier);
    while (mine < 3 + (int)index)
        usleep(1000);
    return (void *)(intptr_t)mine;
}

int main(void) {
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
    pthread_t ids[threads];
    void *result;

    CHECK(sigaction(SIGRTMIN, &action, NULL) == 0 && pthread_barrier_init(&barrier, NULL, threads + 1) == 0);
    for (intptr_t i = 0; i < threads; i++)
        CHECK(pthread_create(&ids[i], NULL, work, (void *)i) == 0);
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < threads; i++) {
        CHECK(pthread_sigqueue(ids[i], SIGRTMIN, (union sigval){.sival_int = i}) == 0);
        CHECK(syscall(SYS_tgkill, getpid(), tids[i], SIGRTMIN) == 0 && syscall(SYS_tkill, tids[i], SIGRTMIN) == 0);
    }
    for (int i = 0; i < threads; i++) {
        CHECK(pthread_join(ids[i], &result) == 0 && (intptr_t)result >= 3 + i);
        printf("thread %d of %d\n", tids[i], getpid());
    }
    CHECK(mine == 0 && syscall(SYS_tgkill, getpid(), 0x3fffffff, 0) == -1 && errno == ESRCH);
    return 0;
}
