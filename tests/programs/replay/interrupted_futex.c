/* exit: 0 */
/* Signals strike threads in mutexes, conditions and semaphores, with and without SA_RESTART. */
#include "check.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static sem_t semaphore, limited;
static volatile int handled, ready, interrupted, timed_out, restarted;

static void on_signal(int number) {
    (void)number;
    __atomic_fetch_add(&handled, 1, __ATOMIC_SEQ_CST);
}

static void *work(void *unused) {
    struct timespec until;

    pthread_mutex_lock(&mutex);
    while (!ready)
        pthread_cond_wait(&condition, &mutex);
    pthread_mutex_unlock(&mutex);
    while (sem_wait(&semaphore))
        interrupted++;
    CHECK(clock_gettime(CLOCK_REALTIME, &until) == 0);
    until.tv_sec += (until.tv_nsec + 20000000) / 1000000000;
    until.tv_nsec = (until.tv_nsec + 20000000) % 1000000000;
    while (sem_timedwait(&limited, &until)) {
        if (errno == ETIMEDOUT) {
            timed_out = 1;
            break;
        }
        CHECK(errno == EINTR);
        restarted++;
    }
    return unused;
}

int main(void) {
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART}, plain = {.sa_handler = on_signal};
    pthread_t id;

    CHECK(sem_init(&semaphore, 0, 0) == 0 && sem_init(&limited, 0, 0) == 0);
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0 && sigaction(SIGUSR2, &plain, NULL) == 0);
    CHECK(pthread_create(&id, NULL, work, NULL) == 0);
    for (int i = 0; i < 5; i++) {
        sleep_ms(1);
        CHECK(pthread_kill(id, i % 2 ? SIGUSR1 : SIGUSR2) == 0);
    }
    pthread_mutex_lock(&mutex);
    ready = 1;
    pthread_cond_broadcast(&condition);
    pthread_mutex_unlock(&mutex);
    while (interrupted < 2) {
        sleep_ms(1);
        CHECK(pthread_kill(id, SIGUSR2) == 0);
    }
    CHECK(pthread_kill(id, SIGUSR1) == 0 && sem_post(&semaphore) == 0);
    for (int i = 0; i < 4; i++) {
        sleep_ms(3);
        CHECK(pthread_kill(id, SIGUSR1) == 0);
    }
    CHECK(pthread_join(id, NULL) == 0 && timed_out);
    printf("%d signals, %d interruptions, %d restarts\n", handled, interrupted, restarted);
    return 0;
}
