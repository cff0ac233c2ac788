/* exit: 0 */
/* statx, with the mount's number and the time of birth. */
#include "check.h"

#include <fcntl.h>
#include <sys/stat.h>

int main(void) {
    struct statx status;

    int file = open("data", O_CREAT | O_RDWR, 0600);
    CHECK(ftruncate(file, 12345) == 0);
    CHECK(statx(AT_FDCWD, "data", 0, STATX_ALL, &status) == 0 && status.stx_size == 12345);
    printf("mask %x, inode %llu, device %u:%u, attributes %llx, born %lld.%09u, changed %lld.%09u\n", status.stx_mask,
           (unsigned long long)status.stx_ino, status.stx_dev_major, status.stx_dev_minor,
           (unsigned long long)status.stx_attributes, (long long)status.stx_btime.tv_sec, status.stx_btime.tv_nsec,
           (long long)status.stx_ctime.tv_sec, status.stx_ctime.tv_nsec);
    CHECK(statx(file, "", AT_EMPTY_PATH | AT_STATX_FORCE_SYNC, STATX_BASIC_STATS, &status) == 0);
    printf("block size %u, blocks %llu\n", status.stx_blksize, (unsigned long long)status.stx_blocks);
    CHECK(statx(AT_FDCWD, "none", 0, STATX_ALL, &status) == -1 && errno == ENOENT);
    return 0;
}
