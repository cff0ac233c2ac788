/* exit: 0 */
/* MAP_FIXED over parts of other maps, at chosen addresses, with every protection and some rarer flags. */
#include "check.h"

#include <fcntl.h>
#include <sys/mman.h>

enum { page = 4096 };

int main(void) {
    char *map = mmap(NULL, 8 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char data[page];

    memset(map, 'a', 8 * page);
    int file = open("data", O_CREAT | O_RDWR, 0600);
    fill_random(data, sizeof data);
    CHECK(write(file, data, page) == page);
    CHECK(mmap(map + page, page, PROT_READ, MAP_PRIVATE | MAP_FIXED, file, 0) == map + page);
    CHECK(mmap(map + 3 * page, page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, 0) == map + 3 * page);
    CHECK(mmap(map + 5 * page, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS, -1, 0) ==
          map + 5 * page);
    map[3 * page] ^= 1;
    CHECK(map[page] == map[3 * page] && map[2 * page] == 'a' && map[5 * page] == 0);
    printf("%p: %016llx\n", (void *)map, (unsigned long long)hash_of(map, 8 * page));
    char *hint = mmap((void *)0x200000000, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *lazy = mmap(NULL, 1ul << 34, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(hint != MAP_FAILED);
    printf("hint %p, lazy %d\n", (void *)hint, lazy != MAP_FAILED);
    if (lazy != MAP_FAILED) {
        lazy[1ul << 33] = 1;
        printf("lazy %p\n", (void *)lazy);
    }
    CHECK(mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == EINVAL);
    CHECK(mmap(NULL, page, PROT_READ, MAP_PRIVATE, 1234, 0) == MAP_FAILED && errno == EBADF);
    return 0;
}
