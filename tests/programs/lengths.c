/* Calls whose registers hold more than the kernel takes of them, and calls that fault halfway. */
#define _GNU_SOURCE
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define GARBAGE (0x1234l << 32)

int main(void) {
    int ends[2], pipes[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) || pipe(pipes))
        return 1;
    struct pollfd polled[100] = {{ends[0], POLLOUT, 0}};
    uint64_t nothing[2] = {0, 0};
    int on = 1, failed = 0;
    failed |= syscall(SYS_ppoll, polled, GARBAGE | 1, nothing, NULL, 8l) != 1;
    failed |= syscall(SYS_setsockopt, ends[0], (long)SOL_SOCKET, (long)SO_PASSCRED, &on, GARBAGE | 4) != 0;
    failed |= syscall(SYS_setsockopt, ends[0], (long)SOL_SOCKET, (long)SO_PASSCRED, &on, GARBAGE | 0xffffffff) == 0;
    char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(pages + 4096, 4096);
    failed |= write(pipes[1], "0123456789", 10) != 10;
    failed |= read(pipes[0], pages + 4096 - 5, 100) != -1 || memcmp(pages + 4096 - 5, "01234", 5) != 0;
    return failed;
}
