/* exit: 0 */
/* Threads and a mutex: the order in which they got it is in what is printed. */
#include "check.h"

#include <pthread.h>

enum { threads = 4, rounds = 2000 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static uint64_t order, total;

static void *work(void *argument) {
    for (int i = 0; i < rounds; i++) {
        pthread_mutex_lock(&mutex);
        order = order * 31 + (uintptr_t)argument;
        total++;
        pthread_mutex_unlock(&mutex);
    }
    return NULL;
}

int main(void) {
    pthread_t ids[threads];

    for (uintptr_t i = 0; i < threads; i++)
        CHECK(pthread_create(&ids[i], NULL, work, (void *)(i + 1)) == 0);
    for (int i = 0; i < threads; i++)
        CHECK(pthread_join(ids[i], NULL) == 0);
    CHECK(total == threads * rounds);
    printf("order %016llx\n", (unsigned long long)order);
    return 0;
}
