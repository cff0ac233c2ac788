/* exit: 0 */
/* A map larger than its file: the tail of the last page is zero, and pages come to be when the file grows. */
#include "check.h"

#include <fcntl.h>
#include <sys/mman.h>

int main(void) {
    int file = open("data", O_CREAT | O_RDWR, 0600);

    CHECK(write(file, "12345", 5) == 5);
    volatile char *map = mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    CHECK(map != MAP_FAILED && map[4] == '5' && map[5] == 0 && map[4095] == 0);
    map[100] = 'x'; /* past the end: not in the file */
    for (int page = 1; page < 4; page++) {
        uint64_t word = random_word();
        CHECK(ftruncate(file, (page + 1) * 4096) == 0 && map[page * 4096] == 0);
        CHECK(pwrite(file, &word, 8, page * 4096) == 8);
        printf("%016llx\n", (unsigned long long)*(volatile uint64_t *)(map + page * 4096));
        CHECK(*(volatile uint64_t *)(map + page * 4096) == word);
    }
    CHECK(ftruncate(file, 4096) == 0 && map[0] == '1');
    return 0;
}
