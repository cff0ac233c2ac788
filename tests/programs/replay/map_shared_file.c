/* exit: 0 */
/* A shared map of a file: writes by calls show in the map, writes by the map in the file; two maps are one memory. */
#include "check.h"

#include <fcntl.h>
#include <sys/mman.h>

int main(void) {
    char text[100];

    int file = open("data", O_CREAT | O_RDWR, 0600);
    CHECK(ftruncate(file, 8192) == 0);
    char *map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    const char *reader = mmap(NULL, 8192, PROT_READ, MAP_SHARED, file, 0);
    CHECK(map != MAP_FAILED && reader != MAP_FAILED);
    uint64_t word = random_word();
    memcpy(map + 4000, &word, sizeof word);
    CHECK(memcmp(reader + 4000, &word, sizeof word) == 0);
    CHECK(msync(map, 8192, MS_SYNC) == 0 && pread(file, text, 8, 4000) == 8 && memcmp(text, &word, 8) == 0);
    word = random_word();
    CHECK(pwrite(file, &word, 8, 100) == 8 && memcmp(map + 100, &word, 8) == 0);
    printf("%016llx: %016llx\n", (unsigned long long)word, (unsigned long long)hash_of(reader, 8192));
    CHECK(ftruncate(file, 3 * 4096) == 0);
    map = mremap(map, 8192, 3 * 4096, MREMAP_MAYMOVE);
    CHECK(map != MAP_FAILED && map[8192] == 0);
    map[8192] = 'x';
    CHECK(pread(file, text, 1, 8192) == 1 && text[0] == 'x');
    printf("now %p\n", (void *)map);
    return 0;
}
