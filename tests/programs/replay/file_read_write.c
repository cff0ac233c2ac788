/* exit: 0 */
/* open, write, read, lseek, pread, pwrite, append, holes, and a read at the end. */
#include "check.h"

#include <fcntl.h>

int main(void) {
    char data[10000], again[20000];

    fill_random(data, sizeof data);
    int file = open("data", O_CREAT | O_EXCL | O_RDWR, 0640);
    CHECK(file >= 0 && write(file, data, sizeof data) == sizeof data);
    CHECK(read(file, again, 10) == 0);
    CHECK(lseek(file, 100, SEEK_SET) == 100 && read(file, again, sizeof again) == 9900);
    printf("from 100 on: %016llx\n", (unsigned long long)hash_of(again, 9900));
    CHECK(memcmp(again, data + 100, 9900) == 0);
    CHECK(pwrite(file, "hole", 4, 1 << 20) == 4 && pread(file, again, 8, (1 << 20) - 4) == 8);
    CHECK(memcmp(again, "\0\0\0\0hole", 8) == 0);
    printf("hole at %lld, data at %lld, end at %lld\n", (long long)lseek(file, 0, SEEK_HOLE),
           (long long)lseek(file, 0, SEEK_DATA), (long long)lseek(file, 0, SEEK_END));
    CHECK(close(file) == 0 && close(file) == -1 && errno == EBADF);
    CHECK(open("data", O_CREAT | O_EXCL | O_RDWR, 0640) == -1 && errno == EEXIST);
    file = open("data", O_WRONLY | O_APPEND);
    CHECK(write(file, "appended", 8) == 8);
    printf("at %lld\n", (long long)lseek(file, 0, SEEK_CUR));
    CHECK(read(file, again, 1) == -1 && errno == EBADF);
    return 0;
}
