/* exit: 0 */
/* Threads that do nothing but yield the CPU and note in what order they came. */
#include "check.h"

#include <pthread.h>
#include <sched.h>

enum { threads = 4, rounds = 150 };

static unsigned char order[threads * rounds];
static unsigned place;

static void *work(void *argument) {
    for (int i = 0; i < rounds; i++) {
        order[__atomic_fetch_add(&place, 1, __ATOMIC_SEQ_CST)] = (unsigned char)(uintptr_t)argument;
        CHECK(sched_yield() == 0);
    }
    return NULL;
}

int main(void) {
    pthread_t ids[threads];

    for (uintptr_t i = 0; i < threads; i++)
        CHECK(pthread_create(&ids[i], NULL, work, (void *)i) == 0);
    for (int i = 0; i < threads; i++)
        CHECK(pthread_join(ids[i], NULL) == 0);
    CHECK(place == threads * rounds);
    printf("order %016llx\n", (unsigned long long)hash_of(order, sizeof order));
    return 0;
}
