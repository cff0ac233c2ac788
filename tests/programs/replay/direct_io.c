/* exit: 0 */
/* O_DIRECT, into a page that the kernel fills without a copy, where the file system has it. */
#include "check.h"

#include <fcntl.h>

int main(void) {
    char *page;

    CHECK(posix_memalign((void **)&page, 4096, 8192) == 0);
    fill_random(page, 8192);
    uint64_t before = hash_of(page, 8192);
    int file = open("data", O_CREAT | O_RDWR | O_DIRECT, 0600);
    if (file == -1) {
        CHECK(errno == EINVAL);
        file = open("data", O_CREAT | O_RDWR, 0600);
        printf("no O_DIRECT here\n");
    }
    CHECK(write(file, page, 8192) == 8192);
    memset(page, 0, 8192);
    CHECK(pread(file, page, 8192, 0) == 8192 && hash_of(page, 8192) == before);
    printf("%016llx at %p\n", (unsigned long long)before, (void *)page);
    ssize_t odd = pread(file, page + 1, 100, 1);
    printf("unaligned: %zd\n", odd);
    return 0;
}
