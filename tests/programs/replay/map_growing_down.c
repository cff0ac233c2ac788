/* exit: 0 */
/* MAP_GROWSDOWN: a map that grows like a stack when the page below it is touched. */
#include "check.h"

#include <sys/mman.h>

enum { page = 4096 };

int main(void) {
    /* room of its own, so that nothing lies below */
    char *room = mmap(NULL, 4096 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    CHECK(room != MAP_FAILED && munmap(room, 4096 * page) == 0);
    char *stack = room + 4000 * page;
    CHECK(mmap(stack, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_GROWSDOWN, -1, 0) ==
          stack);
    for (int i = 0; i < 100; i++)
        fill_random(stack - i * page, 64);
    for (int i = 100; i < 110; i++)
        *(volatile char *)(stack - i * page) = (char)i; /* by the program itself, not by a call */
    uint64_t sum = 0;
    for (int i = 0; i < 110; i++)
        sum = sum * 31 + hash_of(stack - i * page, 64);
    printf("down to %p: %016llx\n", (void *)(stack - 109 * page), (unsigned long long)sum);
    return 0;
}
