/* exit: 0 */
/* A private map of a file: read through it, written to without changing the file, and kept past the file's end. */
#include "check.h"

#include <fcntl.h>
#include <sys/mman.h>

int main(void) {
    char data[10000], again[10000];

    fill_random(data, sizeof data);
    int file = open("data", O_CREAT | O_RDWR, 0600);
    CHECK(write(file, data, sizeof data) == sizeof data);
    char *map = mmap(NULL, sizeof data, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
    char *second = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 4096);
    CHECK(map != MAP_FAILED && second != MAP_FAILED && close(file) == 0);
    printf("%p %p: %016llx %016llx\n", (void *)map, (void *)second, (unsigned long long)hash_of(map, sizeof data),
           (unsigned long long)hash_of(second, 4096));
    CHECK(memcmp(second, data + 4096, 4096) == 0);
    for (int i = (int)sizeof data; i < 12288; i++)
        CHECK(map[i] == 0);
    map[5000] ^= 1;
    map[12000] = 7;
    file = open("data", O_RDONLY);
    CHECK(read(file, again, sizeof again) == sizeof again && memcmp(data, again, sizeof data) == 0);
    CHECK(unlink("data") == 0);
    printf("changed: %016llx\n", (unsigned long long)hash_of(map, 12288));
    CHECK(munmap(map, sizeof data) == 0 && munmap(second, 4096) == 0);
    CHECK(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, file, 1) == MAP_FAILED && errno == EINVAL);
    return 0;
}
