/* exit: 0 */
/* Threads that meet at a barrier, and which of them was the last each time. */
#include "check.h"

#include <pthread.h>

enum { threads = 5, rounds = 40 };

static pthread_barrier_t barrier;
static int last[rounds], sums[rounds];

static void *work(void *argument) {
    for (int i = 0; i < rounds; i++) {
        __atomic_fetch_add(&sums[i], 1, __ATOMIC_RELAXED);
        if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD)
            last[i] = (int)(intptr_t)argument;
        CHECK(sums[i] == threads);
    }
    return NULL;
}

int main(void) {
    pthread_t ids[threads];

    CHECK(pthread_barrier_init(&barrier, NULL, threads) == 0);
    for (intptr_t i = 0; i < threads; i++)
        CHECK(pthread_create(&ids[i], NULL, work, (void *)i) == 0);
    for (int i = 0; i < threads; i++)
        CHECK(pthread_join(ids[i], NULL) == 0);
    for (int i = 0; i < rounds; i++)
        printf("%d%c", last[i], i % 10 == 9 ? '\n' : ' ');
    CHECK(pthread_barrier_destroy(&barrier) == 0);
    return 0;
}
