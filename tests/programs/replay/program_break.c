/* exit: 0 */
/* brk and sbrk: growth, memory that is zero, shrinking, and growth again over what was given back. */
#include "check.h"

int main(void) {
    char *start = sbrk(0);

    printf("break %p\n", (void *)start);
    CHECK(sbrk(1 << 20) == start && sbrk(0) == start + (1 << 20));
    for (int i = 0; i < 1 << 20; i += 4096)
        CHECK(start[i] == 0);
    fill_random(start, 1 << 16);
    printf("filled %016llx\n", (unsigned long long)hash_of(start, 1 << 16));
    CHECK(brk(start + 8192) == 0 && sbrk(0) == start + 8192);
    CHECK(sbrk(8192) == start + 8192 && start[8192] == 0 && start[12288] == 0);
    printf("kept %016llx\n", (unsigned long long)hash_of(start, 8192));
    CHECK(sbrk(-16384) == start + 16384 && sbrk(0) == start);
    CHECK(brk((void *)-4096l) == -1 && errno == ENOMEM);
    CHECK(sbrk(100) == start && sbrk(0) == start + 100);
    printf("odd break %p\n", sbrk(0));
    return 0;
}
