/* exit: 0 */
/* /proc/self/mem: reading and writing one's own memory through a file, read-only pages too. */
#include "check.h"

#include <fcntl.h>
#include <sys/mman.h>

int main(void) {
    uint64_t got, word = random_word();
    volatile uint64_t local = word;

    int file = open("/proc/self/mem", O_RDWR);
    if (absent(file, "/proc/self/mem"))
        return 0;
    CHECK(pread(file, &got, sizeof got, (off_t)(uintptr_t)&local) == 8 && got == word);
    got = ~word;
    CHECK(pwrite(file, &got, sizeof got, (off_t)(uintptr_t)&local) == 8 && local == ~word);
    printf("%016llx\n", (unsigned long long)local);
    uint64_t *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ssize_t size = pwrite(file, &got, sizeof got, (off_t)(uintptr_t)page);
    if (size == 8)
        CHECK(((volatile uint64_t *)page)[0] == got);
    printf("read-only: %zd\n", size);
    CHECK(pread(file, &got, sizeof got, 8) == -1 && errno == EIO);
    return 0;
}
