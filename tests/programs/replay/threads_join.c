/* exit: 0 */
/* Joining: values, tryjoin, timedjoin, threads that threads start, and pthread_exit. */
#include "check.h"

#include <pthread.h>
#include <semaphore.h>

static sem_t asked;

static void *inner(void *argument) {
    pthread_exit((void *)((uintptr_t)argument * 3));
}

static void *outer(void *argument) {
    pthread_t id;
    void *result;

    CHECK(pthread_create(&id, NULL, inner, argument) == 0 && pthread_join(id, &result) == 0);
    return (void *)((uintptr_t)result + 1);
}

static void *slow(void *unused) {
    CHECK(sem_wait(&asked) == 0);
    return unused;
}

int main(void) {
    uint64_t word = random_word() >> 8;
    struct timespec until;
    pthread_t id;
    void *result;

    CHECK(sem_init(&asked, 0, 0) == 0);
    CHECK(pthread_create(&id, NULL, outer, (void *)word) == 0 && pthread_join(id, &result) == 0);
    CHECK((uintptr_t)result == word * 3 + 1);
    printf("%p from thread %lx\n", result, (long)id);
    CHECK(pthread_create(&id, NULL, slow, &word) == 0 && pthread_tryjoin_np(id, &result) == EBUSY);
    CHECK(clock_gettime(CLOCK_REALTIME, &until) == 0 && pthread_timedjoin_np(id, &result, &until) == ETIMEDOUT);
    CHECK(sem_post(&asked) == 0);
    until.tv_sec += 10;
    CHECK(pthread_timedjoin_np(id, &result, &until) == 0 && result == &word);
    CHECK(pthread_join(pthread_self(), NULL) == EDEADLK);
    return 0;
}
