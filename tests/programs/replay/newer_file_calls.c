/* exit: 0 */
/* openat2, faccessat2, fchmodat2, cachestat, statmount, listmount, file attributes: where the kernel has them. */
#include "check.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

int main(void) {
    struct open_how how = {.flags = O_CREAT | O_RDWR, .mode = 0600, .resolve = RESOLVE_BENEATH};
    char page[4096] = {0};

    int file = (int)syscall(SYS_openat2, AT_FDCWD, "data", &how, sizeof how);
    if (absent(file, "openat2"))
        file = open("data", O_CREAT | O_RDWR, 0600);
    else
        CHECK(file >= 0 && syscall(SYS_openat2, AT_FDCWD, "../x", &how, sizeof how) == -1 && errno == EXDEV);
    CHECK(write(file, page, sizeof page) == sizeof page);
    long result = syscall(SYS_faccessat2, AT_FDCWD, "data", R_OK, AT_EACCESS);
    CHECK(result == 0 || absent(result, "faccessat2"));
    result = syscall(452 /* fchmodat2 */, AT_FDCWD, "data", 0640, AT_SYMLINK_NOFOLLOW);
    CHECK(result == 0 || absent(result, "fchmodat2"));
    uint64_t range[2] = {0, 4096}, cached[5] = {0};
    result = syscall(451 /* cachestat */, file, range, cached, 0);
    if (!absent(result, "cachestat"))
        printf("cached %llu, dirty %llu\n", (unsigned long long)cached[0], (unsigned long long)cached[1]);
    uint64_t request[3] = {24, UINT64_MAX, 0}, mounts[100];
    long count = syscall(458 /* listmount */, request, mounts, COUNT(mounts), 0);
    if (!absent(count, "listmount")) {
        CHECK(count > 0);
        printf("%ld mounts, the first %llx\n", count, (unsigned long long)mounts[0]);
        request[1] = mounts[0];
        request[2] = 1 | 2; /* STATMOUNT_SB_BASIC, STATMOUNT_MNT_BASIC */
        result = syscall(457 /* statmount */, request, page, sizeof page, 0);
        CHECK(result == 0 || absent(result, "statmount"));
        printf("%016llx\n", (unsigned long long)hash_of(page, 128));
    }
    uint64_t attributes[3];
    result = syscall(468 /* file_getattr */, AT_FDCWD, "data", attributes, sizeof attributes, 0);
    printf("file_getattr: %ld %llx\n", result, result ? 0 : (unsigned long long)attributes[0]);
    struct {
        uint64_t value;
        uint32_t size, flags;
    } attribute = {(uintptr_t) "value", 5, 0};
    result = syscall(463 /* setxattrat */, AT_FDCWD, "data", 0, "user.x", &attribute, sizeof attribute);
    if (result == 0) {
        attribute.value = (uintptr_t)page;
        attribute.size = 100;
        CHECK(syscall(464 /* getxattrat */, AT_FDCWD, "data", 0, "user.x", &attribute, sizeof attribute) == 5);
        CHECK(syscall(465 /* listxattrat */, AT_FDCWD, "data", 0, page + 10, 100l) >= 7);
        CHECK(syscall(466 /* removexattrat */, AT_FDCWD, "data", 0, "user.x") == 0);
        printf("attribute %.5s, %s\n", page, page + 10);
    }
    return 0;
}
