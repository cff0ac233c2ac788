/* exit: 0 */
/* umask, chmod, chown, utimensat and truncate, and what stat says after each. */
#include "check.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <utime.h>

static void show(const char *after) {
    struct stat status;

    CHECK(stat("data", &status) == 0);
    printf("%s: mode %o, owner %u:%u, size %ld, times %ld.%09ld %ld.%09ld %ld.%09ld\n", after, status.st_mode,
           status.st_uid, status.st_gid, (long)status.st_size, status.st_atim.tv_sec, status.st_atim.tv_nsec,
           status.st_mtim.tv_sec, status.st_mtim.tv_nsec, status.st_ctim.tv_sec, status.st_ctim.tv_nsec);
}

int main(void) {
    struct timespec times[2] = {{1000000000, 1}, {0, UTIME_NOW}};
    struct timeval older[2] = {{900000000, 1}, {900000000, 2}};
    struct utimbuf oldest = {800000000, 800000001};

    mode_t before = umask(027);
    printf("umask %o, then %o\n", before, umask(077));
    int file = open("data", O_CREAT | O_RDWR, 0666);
    show("created");
    CHECK(chmod("data", 0640) == 0 && fchmod(file, 0444) == 0 && fchmodat(AT_FDCWD, "data", 0600, 0) == 0);
    show("chmod");
    CHECK(chown("data", getuid(), getgid()) == 0 && fchown(file, -1, getgid()) == 0 && lchown("data", -1, -1) == 0 &&
          fchownat(AT_FDCWD, "data", -1, -1, 0) == 0);
    show("chown");
    CHECK(utimensat(AT_FDCWD, "data", times, 0) == 0);
    show("utimensat");
    CHECK(utimes("data", older) == 0);
    show("utimes");
    CHECK(utime("data", &oldest) == 0);
    show("utime");
    CHECK(futimens(file, NULL) == 0 && truncate("data", 1000) == 0 && ftruncate(file, 10) == 0);
    show("truncate");
    CHECK(chmod("none", 0600) == -1 && errno == ENOENT);
    return 0;
}
