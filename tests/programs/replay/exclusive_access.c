/* exit: 0 */
/* arch: arm64 */
/* Counters that threads change with load-exclusive and store-exclusive, which nothing may single-step. */
#include "check.h"

#include <pthread.h>

static uint64_t counter, order = 1;

static void *work(void *argument) {
    uint64_t index = (uintptr_t)argument, old, value;
    uint32_t failed;

    for (int i = 0; i < 20000; i++) {
        __asm__ volatile("1: ldaxr %0, [%3]; add %1, %0, #1; stlxr %w2, %1, [%3]; cbnz %w2, 1b"
                         : "=&r"(old), "=&r"(value), "=&r"(failed)
                         : "r"(&counter)
                         : "memory");
        __asm__ volatile("1: ldaxr %0, [%3]; mul %1, %0, %4; add %1, %1, %5; stlxr %w2, %1, [%3]; cbnz %w2, 1b"
                         : "=&r"(old), "=&r"(value), "=&r"(failed)
                         : "r"(&order), "r"(31ul), "r"(index)
                         : "memory");
    }
    return NULL;
}

int main(void) {
    pthread_t ids[3];

    for (uintptr_t i = 0; i < 3; i++)
        CHECK(pthread_create(&ids[i], NULL, work, (void *)i) == 0);
    for (int i = 0; i < 3; i++)
        CHECK(pthread_join(ids[i], NULL) == 0);
    CHECK(counter == 60000);
    printf("order %016llx\n", (unsigned long long)order);
    return 0;
}
