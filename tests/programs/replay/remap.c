/* exit: 0 */
/* What mremap does: growth in place, a move, a fixed place, shrinking, DONTUNMAP, and maps of length zero. */
#include "check.h"

#include <sys/mman.h>

enum { page = 4096 };

int main(void) {
    char *map = mmap(NULL, 16 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CHECK(map != MAP_FAILED);
    fill_random(map, 16 * page);
    uint64_t hash = hash_of(map, 2 * page);
    CHECK(munmap(map + 4 * page, 12 * page) == 0);
    char *grown = mremap(map, 4 * page, 8 * page, 0);
    CHECK(grown == map && grown[4 * page] == 0);
    /* something in the way */
    CHECK(mmap(map + 8 * page, page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == map + 8 * page);
    CHECK(mremap(map, 8 * page, 64 * page, 0) == MAP_FAILED && errno == ENOMEM);
    char *moved = mremap(map, 8 * page, 64 * page, MREMAP_MAYMOVE);
    CHECK(moved != MAP_FAILED && moved != map && hash_of(moved, 2 * page) == hash);
    printf("from %p to %p: %016llx\n", (void *)map, (void *)moved, (unsigned long long)hash);
    CHECK(mremap(moved, 64 * page, 2 * page, 0) == moved && hash_of(moved, 2 * page) == hash);
    char *fixed = mremap(moved, 2 * page, 2 * page, MREMAP_MAYMOVE | MREMAP_FIXED, map);
    CHECK(fixed == map && hash_of(fixed, 2 * page) == hash);
    char *copy = mremap(fixed, 2 * page, 2 * page, MREMAP_MAYMOVE | 4 /* MREMAP_DONTUNMAP */, NULL);
    if (copy != MAP_FAILED) {
        CHECK(hash_of(copy, 2 * page) == hash && fixed[0] == 0 && fixed[page] == 0);
        printf("copy at %p\n", (void *)copy);
    }
    char *shared = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    char *twin = mremap(shared, 0, page, MREMAP_MAYMOVE);
    CHECK(twin != MAP_FAILED);
    uint64_t word = random_word();
    memcpy(shared + 8, &word, sizeof word);
    CHECK(memcmp(twin + 8, &word, sizeof word) == 0);
    printf("one memory at %p and %p: %016llx\n", (void *)shared, (void *)twin, (unsigned long long)word);
    return 0;
}
