/* exit: 0 */
/* A memfd: written by calls, read by a map, and the other way round. */
#include "check.h"

#include <sys/mman.h>
#include <sys/stat.h>

int main(void) {
    char text[100];
    struct stat status;

    int file = memfd_create("a name", MFD_CLOEXEC);
    CHECK(file >= 0 && ftruncate(file, 3 * 4096) == 0);
    char *map = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    CHECK(map != MAP_FAILED);
    uint64_t word = random_word();
    CHECK(pwrite(file, &word, 8, 5000) == 8 && memcmp(map + 5000, &word, 8) == 0);
    memcpy(map + 8192, &word, 8);
    CHECK(pread(file, text, 8, 8192) == 8 && memcmp(text, &word, 8) == 0);
    CHECK(fstat(file, &status) == 0);
    printf("%016llx, inode %lu, map hash %016llx\n", (unsigned long long)word, (long)status.st_ino,
           (unsigned long long)hash_of(map, 3 * 4096));
    snprintf(text, sizeof text, "/proc/self/fd/%d", file);
    char target[100];
    ssize_t length = readlink(text, target, sizeof target);
    CHECK(length > 0);
    printf("%.*s\n", (int)length, target);
    CHECK(memfd_create("x", 0x8000) == -1 && errno == EINVAL);
    return 0;
}
