/* exit: 0 */
/* stat, lstat, fstat, fstatat, statfs and access, of what is there and what is not. */
#include "check.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statfs.h>

static void show(const char *name, const struct stat *status) {
    printf("%s: device %lx, inode %lu, mode %o, links %lu, owner %u:%u, size %ld, blocks %ld, changed %ld.%09ld\n",
           name, (long)status->st_dev, (long)status->st_ino, status->st_mode, (long)status->st_nlink, status->st_uid,
           status->st_gid, (long)status->st_size, (long)status->st_blocks, status->st_mtim.tv_sec,
           status->st_mtim.tv_nsec);
}

int main(void) {
    struct stat status;
    struct statfs system;

    int file = open("data", O_CREAT | O_RDWR, 0640);
    CHECK(write(file, "12345", 5) == 5 && symlink("data", "link") == 0);
    CHECK(fstat(file, &status) == 0 && status.st_size == 5);
    show("fstat", &status);
    CHECK(stat("link", &status) == 0 && S_ISREG(status.st_mode));
    show("stat", &status);
    CHECK(lstat("link", &status) == 0 && S_ISLNK(status.st_mode));
    show("lstat", &status);
    CHECK(fstatat(AT_FDCWD, ".", &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(status.st_mode));
    show("fstatat", &status);
    CHECK(fstatat(file, "", &status, AT_EMPTY_PATH) == 0);
    show("empty path", &status);
    CHECK(stat("/dev/null", &status) == 0 && S_ISCHR(status.st_mode));
    show("/dev/null", &status);
    CHECK(stat("none", &status) == -1 && errno == ENOENT);
    CHECK(stat("data/none", &status) == -1 && errno == ENOTDIR);
    CHECK(access("data", R_OK | W_OK) == 0 && access("none", F_OK) == -1 && errno == ENOENT);
    CHECK(faccessat(AT_FDCWD, "link", F_OK, AT_EACCESS | AT_SYMLINK_NOFOLLOW) == 0);
    CHECK(statfs(".", &system) == 0 && fstatfs(file, &system) == 0);
    printf("file system %lx, %lu of %lu blocks free\n", (long)system.f_type, (long)system.f_bfree,
           (long)system.f_blocks);
    return 0;
}
