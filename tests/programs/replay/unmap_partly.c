/* exit: 0 */
/* munmap of the middle, of an end and over several maps; mincore tells what is left. */
#include "check.h"

#include <sys/mman.h>

enum { page = 4096, pages = 16 };

int main(void) {
    char *map = mmap(NULL, pages * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    unsigned char resident[pages];

    CHECK(map != MAP_FAILED);
    for (int i = 0; i < pages; i += 2)
        map[i * page] = (char)i;
    CHECK(mincore(map, pages * page, resident) == 0);
    for (int i = 0; i < pages; i++)
        printf("%d", resident[i] & 1);
    printf(" of %p\n", (void *)map);
    CHECK(munmap(map + 4 * page, 2 * page) == 0);
    CHECK(mincore(map, pages * page, resident) == -1 && errno == ENOMEM);
    CHECK(map[2 * page] == 2 && map[6 * page] == 6);
    CHECK(munmap(map + 15 * page, page) == 0 && munmap(map + 3 * page, 5 * page) == 0);
    CHECK(mprotect(map + 2 * page, page, PROT_READ) == 0 && map[2 * page] == 2);
    char *again = mmap(map + 4 * page, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    CHECK(again == map + 4 * page && again[0] == 0);
    CHECK(mmap(map, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED &&
          errno == EEXIST);
    CHECK(munmap(map, pages * page) == 0 && munmap(map, pages * page) == 0 && munmap(map + 1, page) == -1);
    printf("gone\n");
    return 0;
}
