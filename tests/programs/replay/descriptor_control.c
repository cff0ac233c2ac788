/* exit: 0 */
/* fcntl's queries and settings: owners, signals, seals, hints, close_range. */
#include "check.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/mman.h>
#include <sys/syscall.h>

int main(void) {
    struct f_owner_ex owner = {F_OWNER_TID, gettid()}, got;
    int ends[2];

    CHECK(pipe(ends) == 0);
    CHECK(fcntl(ends[0], F_SETOWN, getpid()) == 0 && fcntl(ends[0], F_GETOWN) == getpid());
    CHECK(fcntl(ends[0], F_SETOWN_EX, &owner) == 0 && fcntl(ends[0], F_GETOWN_EX, &got) == 0);
    printf("owner %d %d, signal %d\n", got.type, got.pid, fcntl(ends[0], F_GETSIG));
    CHECK(got.pid == gettid());
    int sealed = memfd_create("sealed", MFD_ALLOW_SEALING | MFD_CLOEXEC);
    CHECK(ftruncate(sealed, 4096) == 0 && fcntl(sealed, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_WRITE) == 0);
    CHECK(ftruncate(sealed, 0) == -1 && errno == EPERM && write(sealed, "x", 1) == -1);
    printf("seals %x\n", fcntl(sealed, F_GET_SEALS));
    uint64_t hint = 2;
    int result = fcntl(sealed, F_SET_RW_HINT, &hint);
    printf("hint %d, then %d: %llu\n", result, fcntl(sealed, F_GET_RW_HINT, &hint), (unsigned long long)hint);
    for (int fd = 50; fd < 60; fd++)
        CHECK(dup2(0, fd) == fd);
    result = (int)syscall(SYS_close_range, 50, 54, 0);
    if (!absent(result, "close_range")) {
        CHECK(result == 0 && fcntl(52, F_GETFD) == -1 && fcntl(55, F_GETFD) == 0);
        CHECK(syscall(SYS_close_range, 55, ~0u, CLOSE_RANGE_CLOEXEC) == 0 && fcntl(59, F_GETFD) == FD_CLOEXEC);
        CHECK(syscall(SYS_close_range, 55, ~0u, CLOSE_RANGE_UNSHARE) == 0 && fcntl(59, F_GETFD) == -1);
    }
    CHECK(fcntl(ends[0], 12345) == -1 && errno == EINVAL);
    return 0;
}
