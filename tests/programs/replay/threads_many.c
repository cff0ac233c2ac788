/* exit: 0 */
/* A hundred threads at once, and then a hundred one after the other. */
#include "check.h"

#include <pthread.h>

enum { threads = 100 };

static pthread_barrier_t barrier;
static uint64_t sum;

static void *work(void *argument) {
    if (argument)
        pthread_barrier_wait(&barrier);
    __atomic_fetch_add(&sum, (uint64_t)gettid(), __ATOMIC_SEQ_CST);
    return NULL;
}

int main(void) {
    pthread_t ids[threads];

    CHECK(pthread_barrier_init(&barrier, NULL, threads) == 0);
    for (int i = 0; i < threads; i++)
        CHECK(pthread_create(&ids[i], NULL, work, &barrier) == 0);
    for (int i = 0; i < threads; i++)
        CHECK(pthread_join(ids[i], NULL) == 0);
    for (int i = 0; i < threads; i++)
        CHECK(pthread_create(&ids[0], NULL, work, NULL) == 0 && pthread_join(ids[0], NULL) == 0);
    printf("tids sum up to %llu\n", (unsigned long long)sum);
    return 0;
}
