/* exit: 0 */
/* Where things lie: text, data, heap, stack, maps and libraries, all moved about by the kernel at each start. */
#include "check.h"

#include <sys/mman.h>

static int zero, one = 1;

int main(void) {
    int local = 0;
    void *small = malloc(10), *large = malloc(1 << 20);
    void *map = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CHECK(small && large && map != MAP_FAILED);
    printf("text %p, data %p, bss %p, stack %p\n", (void *)main, (void *)&one, (void *)&zero, (void *)&local);
    printf("heap %p, large %p, map %p, break %p, library %p\n", small, large, map, sbrk(0), (void *)printf);
    return 0;
}
