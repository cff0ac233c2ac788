/* exit: 0 */
/* Producers and consumers over a bounded queue with condition variables; who took what is printed. */
#include "check.h"

#include <pthread.h>

enum { room = 4, items = 300, workers = 3 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t filled = PTHREAD_COND_INITIALIZER, emptied = PTHREAD_COND_INITIALIZER;
static uint64_t queue[room];
static unsigned head, tail, taken;

static void *produce(void *unused) {
    for (int i = 0; i < items; i++) {
        pthread_mutex_lock(&mutex);
        while (head - tail == room)
            pthread_cond_wait(&emptied, &mutex);
        queue[head++ % room] = (uint64_t)gettid() * 1000 + i;
        pthread_cond_signal(&filled);
        pthread_mutex_unlock(&mutex);
    }
    return unused;
}

static void *consume(void *result) {
    uint64_t sum = 0;

    for (;;) {
        pthread_mutex_lock(&mutex);
        while (head == tail && taken < items * workers)
            pthread_cond_wait(&filled, &mutex);
        if (taken == items * workers) {
            pthread_mutex_unlock(&mutex);
            break;
        }
        sum = sum * 31 + queue[tail++ % room];
        if (++taken == items * workers)
            pthread_cond_broadcast(&filled);
        pthread_cond_broadcast(&emptied);
        pthread_mutex_unlock(&mutex);
    }
    *(uint64_t *)result = sum;
    return NULL;
}

int main(void) {
    pthread_t ids[2 * workers];
    uint64_t sums[workers];

    for (int i = 0; i < workers; i++)
        CHECK(pthread_create(&ids[i], NULL, produce, NULL) == 0 &&
              pthread_create(&ids[workers + i], NULL, consume, &sums[i]) == 0);
    for (int i = 0; i < 2 * workers; i++)
        CHECK(pthread_join(ids[i], NULL) == 0);
    CHECK(taken == items * workers);
    for (int i = 0; i < workers; i++)
        printf("%016llx\n", (unsigned long long)sums[i]);
    return 0;
}
