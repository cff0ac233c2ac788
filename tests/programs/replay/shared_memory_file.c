/* exit: 0 */
/* Two processes map one file, at different offsets and by different descriptors, and write to each other. */
#include "check.h"

#include <fcntl.h>
#include <sys/mman.h>

int main(void) {
    int ends[2], back[2];
    char byte;

    CHECK(pipe(ends) == 0 && pipe(back) == 0);
    int file = open("data", O_CREAT | O_RDWR, 0600);
    CHECK(ftruncate(file, 4 * 4096) == 0);
    pid_t child = fork();
    if (child == 0) {
        int own = open("data", O_RDWR);
        uint64_t *map = mmap(NULL, 2 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, own, 4096);
        CHECK(map != MAP_FAILED && read(ends[0], &byte, 1) == 1);
        printf("child reads %016llx\n", (unsigned long long)map[0]);
        map[1] = map[0] ^ (uint64_t)getpid();
        CHECK(pwrite(own, &map[1], 8, 3 * 4096) == 8 && write(back[1], "x", 1) == 1);
        _exit(0);
    }
    uint64_t *map = mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    map[512] = random_word();
    CHECK(write(ends[1], "x", 1) == 1 && read(back[0], &byte, 1) == 1);
    printf("parent reads %016llx\n", (unsigned long long)map[513]);
    CHECK(map[513] == (map[512] ^ (uint64_t)child) && map[3 * 512] == map[513]);
    join(child, 0);
    return 0;
}
