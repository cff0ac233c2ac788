/* exit: 0 */
/* Recursive, error-checking, timed and priority-inheriting mutexes. */
#include "check.h"

#include <pthread.h>
#include <semaphore.h>

static pthread_mutex_t mutexes[4];
static int inherits;
static sem_t tried;

static void *work(void *unused) {
    struct timespec until;

    for (int i = 0; i < 3 + inherits; i++) {
        CHECK(pthread_mutex_trylock(&mutexes[i]) == EBUSY);
        CHECK(clock_gettime(CLOCK_REALTIME, &until) == 0);
        until.tv_nsec = (until.tv_nsec + 2000000) % 1000000000;
        until.tv_sec += until.tv_nsec < 2000000;
        CHECK(pthread_mutex_timedlock(&mutexes[i], &until) == ETIMEDOUT);
    }
    printf("thread %d got none at %lld\n", gettid(), (long long)now_ns());
    CHECK(sem_post(&tried) == 0);
    for (int i = 0; i < 3 + inherits; i++)
        CHECK(pthread_mutex_lock(&mutexes[i]) == 0 && pthread_mutex_unlock(&mutexes[i]) == 0);
    return unused;
}

int main(void) {
    static const int kinds[3] = {PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_ERRORCHECK};
    pthread_mutexattr_t attributes;
    pthread_t id;

    CHECK(sem_init(&tried, 0, 0) == 0 && pthread_mutexattr_init(&attributes) == 0);
    for (int i = 0; i < 3; i++)
        CHECK(pthread_mutexattr_settype(&attributes, kinds[i]) == 0 &&
              pthread_mutex_init(&mutexes[i], &attributes) == 0 && pthread_mutex_lock(&mutexes[i]) == 0);
    CHECK(pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT) == 0);
    inherits = pthread_mutex_init(&mutexes[3], &attributes) == 0 && pthread_mutex_lock(&mutexes[3]) == 0;
    CHECK(pthread_mutex_lock(&mutexes[1]) == 0 && pthread_mutex_lock(&mutexes[2]) == EDEADLK);
    CHECK(pthread_create(&id, NULL, work, NULL) == 0);
    CHECK(sem_wait(&tried) == 0 && pthread_mutex_unlock(&mutexes[1]) == 0);
    for (int i = 0; i < 3 + inherits; i++)
        CHECK(pthread_mutex_unlock(&mutexes[i]) == 0);
    CHECK(pthread_mutex_unlock(&mutexes[2]) == EPERM && pthread_join(id, NULL) == 0);
    printf("inherits %d\n", inherits);
    return 0;
}
