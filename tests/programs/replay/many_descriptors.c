/* exit: 0 */
/* Hundreds of descriptors of many kinds at once, polled together, and counted in /proc. */
#include "check.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

int main(void) {
    static struct pollfd polled[500];
    int count = 0, ends[2], sockets[2];
    struct rlimit limit;

    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur >= 600);
    while (count < 490) {
        CHECK(pipe(ends) == 0 && socketpair(AF_UNIX, SOCK_DGRAM, 0, sockets) == 0);
        int fds[] = {ends[0],
                     ends[1],
                     sockets[0],
                     sockets[1],
                     eventfd(0, 0),
                     timerfd_create(CLOCK_MONOTONIC, 0),
                     open(".", O_RDONLY),
                     open("f", O_CREAT | O_RDWR, 0600),
                     dup(0),
                     epoll_create1(0)};
        for (size_t i = 0; i < COUNT(fds); i++) {
            CHECK(fds[i] >= 0);
            polled[count++] = (struct pollfd){fds[i], POLLIN, 0};
        }
        if (random_word() & 1)
            CHECK(write(ends[1], "x", 1) == 1);
    }
    int ready = poll(polled, (nfds_t)count, 0);
    uint64_t order = 0;
    for (int i = 0; i < count; i++)
        order = order * 31 + (unsigned)polled[i].revents;
    DIR *folder = opendir("/proc/self/fd");
    int listed = 0;
    while (folder && readdir(folder))
        listed++;
    printf("%d, %d ready: %016llx, %d listed\n", count, ready, (unsigned long long)order, listed);
    return 0;
}
