/* exit: 0 */
/* Readers and writers with a lock of theirs; each reader sums up what it saw. */
#include "check.h"

#include <pthread.h>

enum { readers = 3, writers = 2, rounds = 80 };

static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static uint64_t first, second;

static void *read_it(void *unused) {
    uint64_t sum = 0;

    for (int i = 0; i < rounds; i++) {
        CHECK(pthread_rwlock_rdlock(&lock) == 0);
        CHECK(first == second);
        sum = sum * 31 + first;
        CHECK(pthread_rwlock_unlock(&lock) == 0);
    }
    printf("reader %d: %016llx\n", gettid(), (unsigned long long)sum);
    return unused;
}

static void *write_it(void *unused) {
    for (int i = 0; i < rounds; i++) {
        CHECK(pthread_rwlock_wrlock(&lock) == 0);
        first++;
        sched_yield();
        second++;
        CHECK(pthread_rwlock_unlock(&lock) == 0);
    }
    return unused;
}

int main(void) {
    pthread_t ids[readers + writers];

    for (int i = 0; i < readers + writers; i++)
        CHECK(pthread_create(&ids[i], NULL, i < readers ? read_it : write_it, NULL) == 0);
    for (int i = 0; i < readers + writers; i++)
        CHECK(pthread_join(ids[i], NULL) == 0);
    CHECK(first == writers * rounds);
    return 0;
}
