/* exit: 0 */
/* A pipe in one process: its size, non-blocking ends, FIONREAD, packets, and its end. */
#include "check.h"

#include <fcntl.h>
#include <sys/ioctl.h>

int main(void) {
    int ends[2], available;
    char data[5000], again[5000];

    CHECK(pipe2(ends, O_NONBLOCK | O_CLOEXEC) == 0);
    printf("ends %d %d, room for %d\n", ends[0], ends[1], fcntl(ends[1], F_GETPIPE_SZ));
    CHECK(read(ends[0], again, 1) == -1 && errno == EAGAIN);
    fill_random(data, sizeof data);
    CHECK(write(ends[1], data, sizeof data) == sizeof data);
    CHECK(ioctl(ends[0], FIONREAD, &available) == 0 && available == sizeof data);
    CHECK(read(ends[0], again, 2000) == 2000 && read(ends[0], again + 2000, 3000) == 3000);
    CHECK(memcmp(data, again, sizeof data) == 0);
    printf("%016llx\n", (unsigned long long)hash_of(again, sizeof again));
    int filled = 0;
    for (ssize_t wrote; (wrote = write(ends[1], data, sizeof data)) > 0;)
        filled += (int)wrote;
    CHECK(errno == EAGAIN);
    printf("filled with %d, resized to %d\n", filled, fcntl(ends[1], F_SETPIPE_SZ, 1 << 18));
    close(ends[1]);
    while (filled > 0) {
        ssize_t got = read(ends[0], again, sizeof again);
        CHECK(got > 0);
        filled -= (int)got;
    }
    CHECK(read(ends[0], again, 1) == 0);
    CHECK(pipe2(ends, O_DIRECT) == 0 && write(ends[1], "one", 3) == 3 && write(ends[1], "two", 3) == 3);
    CHECK(read(ends[0], again, 100) == 3 && memcmp(again, "one", 3) == 0);
    return 0;
}
