/* exit: 0 */
/* Calls that meet the end of a map halfway: short reads and writes, and what was copied before. */
#include "check.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

int main(void) {
    char *map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), data[1000];
    int ends[2], sockets[2];

    CHECK(map != MAP_FAILED && munmap(map + 4096, 4096) == 0);
    CHECK(pipe(ends) == 0 && socketpair(AF_UNIX, SOCK_DGRAM, 0, sockets) == 0);
    fill_random(data, sizeof data);
    int file = open("data", O_CREAT | O_RDWR, 0600);
    CHECK(write(file, data, sizeof data) == sizeof data);
    ssize_t got = pread(file, map + 4000, 500, 0);
    printf("read of a file: %zd, %016llx\n", got, (unsigned long long)hash_of(map + 4000, 96));
    CHECK(write(ends[1], data, sizeof data) == sizeof data);
    got = read(ends[0], map + 4090, 100);
    printf("read of a pipe: %zd, %016llx\n", got, (unsigned long long)hash_of(map + 4090, 6));
    struct iovec pieces[] = {{map, 100}, {map + 4096, 100}, {map + 200, 100}};
    got = preadv(file, pieces, 3, 0);
    printf("readv: %zd, %016llx\n", got, (unsigned long long)hash_of(map, 300));
    got = pwrite(file, map + 4000, 500, 0);
    printf("write of a file: %zd\n", got);
    CHECK(send(sockets[0], map + 4000, 500, 0) == -1 && errno == EFAULT);
    CHECK(stat("data", (struct stat *)(map + 4090)) == -1 && errno == EFAULT);
    CHECK(getrandom(map + 4000, 500, 0) > 0 || errno == EFAULT);
    CHECK(open(map + 4096, O_RDONLY) == -1 && errno == EFAULT);
    memset(map + 4000, 'x', 96);
    CHECK(open(map + 4000, O_RDONLY) == -1 && errno == EFAULT);
    return 0;
}
