/* exit: 0 */
/* malloc, realloc and free in a random order: the heap grows by brk and by maps, and is trimmed. */
#include "check.h"

#include <malloc.h>

enum { slots = 64 };

int main(void) {
    char *block[slots] = {NULL};
    size_t size[slots] = {0};
    uint64_t state = random_word() | 1, sum = 0;

    for (int i = 0; i < 3000; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        int slot = state >> 58;
        size_t wanted = (state >> 20) % (i % 50 == 0 ? 2000000 : 5000) + 1;
        if (state >> 40 & 1) {
            free(block[slot]);
            block[slot] = NULL;
            size[slot] = 0;
            continue;
        }
        block[slot] = realloc(block[slot], wanted);
        CHECK(block[slot]);
        if (wanted > size[slot])
            memset(block[slot] + size[slot], i, wanted - size[slot]);
        size[slot] = wanted;
        sum = sum * 31 + (uintptr_t)block[slot] + (unsigned char)block[slot][wanted - 1];
    }
    printf("%016llx\n", (unsigned long long)sum);
    for (int i = 0; i < slots; i++)
        free(block[i]);
    printf("trimmed %d, break %p\n", malloc_trim(0), sbrk(0));
    return 0;
}
