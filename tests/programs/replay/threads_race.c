/* exit: 0 */
/* A data race: unsynchronised additions get lost, and how many is the scheduler's doing. */
#include "check.h"

#include <pthread.h>

enum { threads = 3, rounds = 300000 };

static volatile uint64_t counter, history;

static void *work(void *argument) {
    for (int i = 0; i < rounds; i++) {
        counter = counter + 1;
        if (i % 100 == 0)
            history = history * 31 + (uintptr_t)argument;
    }
    return NULL;
}

int main(void) {
    pthread_t ids[threads];

    for (uintptr_t i = 0; i < threads; i++)
        CHECK(pthread_create(&ids[i], NULL, work, (void *)i) == 0);
    for (int i = 0; i < threads; i++)
        CHECK(pthread_join(ids[i], NULL) == 0);
    CHECK(counter <= threads * rounds);
    printf("%llu of %d, history %016llx\n", (unsigned long long)counter, threads * rounds, (unsigned long long)history);
    return 0;
}
