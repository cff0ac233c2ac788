/* exit: 0 */
/* sync of everything, and msync of maps in each way. */
#include "check.h"

#include <fcntl.h>
#include <sys/mman.h>

int main(void) {
    int file = open("data", O_CREAT | O_RDWR, 0600);

    CHECK(ftruncate(file, 8192) == 0);
    char *map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    uint64_t word = random_word();
    memcpy(map, &word, sizeof word);
    CHECK(msync(map, 8192, MS_ASYNC) == 0 && msync(map, 4096, MS_SYNC | MS_INVALIDATE) == 0);
    CHECK(msync(map + 1, 4096, MS_SYNC) == -1 && errno == EINVAL);
    int64_t before = now_ns();
    sync();
    printf("%016llx, synchronised in %lld ns\n", (unsigned long long)word, (long long)(now_ns() - before));
    CHECK(munmap(map, 8192) == 0 && msync(map, 4096, MS_SYNC) == -1 && errno == ENOMEM);
    return 0;
}
