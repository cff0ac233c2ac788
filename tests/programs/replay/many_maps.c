/* exit: 0 */
/* Thousands of maps made, split, protected, moved and removed in a random order. */
#include "check.h"

#include <sys/mman.h>

enum { slots = 200, page = 4096 };

int main(void) {
    char *maps[slots] = {NULL};
    size_t sizes[slots] = {0};
    uint64_t state = random_word() | 1, sum = 0;

    for (int i = 0; i < 5000; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        int slot = (int)((state >> 33) % slots);
        size_t size = ((state >> 50 & 7) + 1) * page;
        if (!maps[slot]) {
            maps[slot] = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            CHECK(maps[slot] != MAP_FAILED);
            sizes[slot] = size;
            maps[slot][size - 1] = (char)i;
        } else if (state >> 60 < 5) {
            CHECK(munmap(maps[slot], sizes[slot]) == 0);
            maps[slot] = NULL;
        } else if (state >> 60 < 10) {
            CHECK(mprotect(maps[slot] + (size < sizes[slot] ? size : 0), page, PROT_READ) == 0);
            CHECK(mprotect(maps[slot], sizes[slot], PROT_READ | PROT_WRITE) == 0);
        } else {
            maps[slot] = mremap(maps[slot], sizes[slot], size, MREMAP_MAYMOVE);
            CHECK(maps[slot] != MAP_FAILED);
            sizes[slot] = size;
            maps[slot][size - 1] ^= (char)i;
        }
        if (maps[slot])
            sum = sum * 31 + (uintptr_t)maps[slot] + (unsigned char)maps[slot][sizes[slot] - 1];
    }
    printf("%016llx\n", (unsigned long long)sum);
    return 0;
}
