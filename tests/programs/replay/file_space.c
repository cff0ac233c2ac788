/* exit: 0 */
/* fallocate with holes and zeros, fadvise, readahead, the syncs and sync_file_range. */
#include "check.h"

#include <fcntl.h>
#include <sys/stat.h>

int main(void) {
    struct stat status;
    char data[3 * 4096], again[3 * 4096];

    fill_random(data, sizeof data);
    int file = open("data", O_CREAT | O_RDWR, 0600);
    CHECK(write(file, data, sizeof data) == sizeof data);
    int result = fallocate(file, 0, 0, 1 << 20);
    if (!absent(result, "fallocate"))
        CHECK(result == 0);
    CHECK(fstat(file, &status) == 0);
    printf("size %ld, blocks %ld\n", (long)status.st_size, (long)status.st_blocks);
    result = fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 4096);
    if (!absent(result, "FALLOC_FL_PUNCH_HOLE"))
        CHECK(result == 0);
    CHECK(pread(file, again, sizeof again, 0) == sizeof again && memcmp(again, data, 4096) == 0);
    printf("hole: %016llx\n", (unsigned long long)hash_of(again, sizeof again));
    CHECK(posix_fadvise(file, 0, 0, POSIX_FADV_SEQUENTIAL) == 0 && posix_fadvise(file, 0, 4096, 4) == 0);
    printf("readahead %zd\n", readahead(file, 0, 65536));
    CHECK(fsync(file) == 0 && fdatasync(file) == 0 && syncfs(file) == 0);
    printf("sync_file_range %d\n", sync_file_range(file, 0, 8192, SYNC_FILE_RANGE_WRITE));
    CHECK(fstat(file, &status) == 0);
    printf("blocks %ld\n", (long)status.st_blocks);
    return 0;
}
