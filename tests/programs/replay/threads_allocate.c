/* exit: 0 */
/* malloc and free in threads, which take arenas of their own, and frees of what others allocated. */
#include "check.h"

#include <pthread.h>

enum { threads = 4, slots = 256 };

static _Atomic(char *) shared[slots];

static void *work(void *result) {
    uint64_t state = random_word() | 1, sum = 0;

    for (int i = 0; i < 5000; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        size_t size = state >> 52;
        char *block = malloc(size + 1);
        memset(block, (int)size, size + 1);
        char *other = __atomic_exchange_n((char **)&shared[state >> 40 & (slots - 1)], block, __ATOMIC_SEQ_CST);
        if (other)
            sum = sum * 31 + (unsigned char)other[0] + (uintptr_t)other;
        free(other);
    }
    *(uint64_t *)result = sum;
    return NULL;
}

int main(void) {
    pthread_t ids[threads];
    uint64_t sums[threads];

    for (int i = 0; i < threads; i++)
        CHECK(pthread_create(&ids[i], NULL, work, &sums[i]) == 0);
    for (int i = 0; i < threads; i++) {
        CHECK(pthread_join(ids[i], NULL) == 0);
        printf("%016llx\n", (unsigned long long)sums[i]);
    }
    return 0;
}
