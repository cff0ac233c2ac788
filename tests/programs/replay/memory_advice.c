/* exit: 0 */
/* What madvise does: DONTNEED on private, shared and file memory, FREE, WILLNEED, fork advice, and advice refused. */
#include "check.h"

#include <fcntl.h>
#include <sys/mman.h>

enum { size = 8 * 4096 };

int main(void) {
    char *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    fill_random(map, size);
    uint64_t hash = hash_of(map, 4096);
    CHECK(madvise(map + 4096, 4096, MADV_DONTNEED) == 0 && map[4096] == 0 && hash_of(map, 4096) == hash);
    printf("private: %016llx\n", (unsigned long long)hash_of(map, size));
    int file = open("data", O_CREAT | O_RDWR, 0600);
    CHECK(write(file, map, size) == size);
    char *mapped = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
    mapped[0] ^= 1;
    mapped[8192] ^= 1;
    CHECK(madvise(mapped, 4096, MADV_DONTNEED) == 0 && mapped[0] == map[0] && mapped[8192] != map[8192]);
    printf("file: %016llx\n", (unsigned long long)hash_of(mapped, size));
    char *shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    shared[0] = 'x';
    CHECK(madvise(shared, 4096, MADV_DONTNEED) == 0 && shared[0] == 'x');
    CHECK(madvise(shared, 4096, MADV_REMOVE) == 0 && shared[0] == 0);
    CHECK(madvise(map, 4096, MADV_WILLNEED) == 0 && madvise(map, size, MADV_RANDOM) == 0);
    int wipes = madvise(map + 8192, 4096, MADV_WIPEONFORK);
    pid_t child = fork();
    if (child == 0)
        _exit(wipes == 0 && (map[8192] || map[8193] || map[8194]));
    join(child, 0);
    /* whether the kernel takes the page is its affair, so that nothing of it is read before it is written */
    CHECK(madvise(map, 4096, MADV_FREE) == 0);
    memset(map, 'y', 4096);
    printf("free: %016llx, huge pages %d\n", (unsigned long long)hash_of(map, 4096),
           madvise(map, size, MADV_NOHUGEPAGE));
    CHECK(madvise(map + 1, 4096, MADV_DONTNEED) == -1 && errno == EINVAL);
    return 0;
}
