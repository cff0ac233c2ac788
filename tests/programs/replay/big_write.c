/* exit: 0 */
/* 32 MiB written in one call and in small ones, through a file, a pipe and a socket. */
#include "check.h"

#include <fcntl.h>
#include <sys/socket.h>

enum { size = 16 << 20 };

static uint64_t drain(int fd) {
    static unsigned char data[65536];
    uint64_t sum = 0;

    for (ssize_t got; (got = read(fd, data, sizeof data)) != 0;) {
        CHECK(got > 0);
        for (ssize_t i = 0; i < got; i += 64)
            sum += data[i];
        sum += (uint64_t)got << 20;
    }
    return sum;
}

int main(void) {
    char *data = malloc(size);
    int ends[2];

    for (int i = 0; i < size; i++)
        data[i] = (char)(i * 7 + i / 251);
    int file = open("data", O_CREAT | O_RDWR, 0600);
    CHECK(write(file, data, size) == size);
    for (int i = 0; i < 256; i++)
        CHECK(pwrite(file, data + i * 4096, 4096, (off_t)i * 8192) == 4096);
    for (int kind = 0; kind < 2; kind++) {
        CHECK((kind ? socketpair(AF_UNIX, SOCK_STREAM, 0, ends) : pipe(ends)) == 0);
        pid_t child = fork();
        if (child == 0) {
            close(ends[1]);
            printf("%d drained %016llx\n", getpid(), (unsigned long long)(drain(ends[0]) >> 20));
            _exit(0);
        }
        close(ends[0]);
        CHECK(write(ends[1], data, size / 2) == size / 2);
        close(ends[1]);
        join(child, 0);
    }
    return 0;
}
