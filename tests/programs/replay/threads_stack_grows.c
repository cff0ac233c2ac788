/* exit: 0 */
/* Threads that use most of their stacks, while the main thread's stack grows. */
#include "check.h"

#include <pthread.h>

static uint64_t descend(int depth, uint64_t value) {
    volatile uint64_t frame[64];

    for (size_t i = 0; i < COUNT(frame); i += 8)
        frame[i] = value + i;
    if (depth)
        value = descend(depth - 1, value * 6364136223846793005u + 1);
    return value + frame[depth % 8 * 8];
}

static void *work(void *argument) {
    *(uint64_t *)argument = descend(4000, *(uint64_t *)argument);
    return NULL;
}

int main(void) {
    pthread_t ids[3];
    uint64_t words[4];

    fill_random(words, sizeof words);
    for (int i = 0; i < 3; i++)
        CHECK(pthread_create(&ids[i], NULL, work, &words[i]) == 0);
    work(&words[3]);
    for (int i = 0; i < 3; i++)
        CHECK(pthread_join(ids[i], NULL) == 0);
    printf("%016llx\n", (unsigned long long)hash_of(words, sizeof words));
    return 0;
}
