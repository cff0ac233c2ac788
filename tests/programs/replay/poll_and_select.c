/* exit: 0 */
/* poll, ppoll, select and pselect: time limits, what is ready, hang-ups and bad descriptors. */
#include "check.h"

#include <poll.h>
#include <sys/select.h>

int main(void) {
    struct timeval wait = {0, 3000};
    int ends[2][2];
    fd_set in, out;
    char byte;

    CHECK(pipe(ends[0]) == 0 && pipe(ends[1]) == 0);
    struct pollfd polled[] = {{ends[0][0], POLLIN, 0}, {ends[0][1], POLLOUT, 0}, {-1, POLLIN, 0}, {1234, POLLIN, 0}};
    CHECK(poll(polled, 1, 2) == 0 && poll(polled, 4, 0) == 2);
    CHECK(polled[1].revents == POLLOUT && polled[2].revents == 0 && polled[3].revents == POLLNVAL);
    FD_ZERO(&in);
    FD_SET(ends[0][0], &in);
    CHECK(select(ends[0][0] + 1, &in, NULL, NULL, &wait) == 0);
    printf("%ld.%06ld left\n", wait.tv_sec, (long)wait.tv_usec);
    pid_t child = fork();
    if (child == 0) {
        sleep_ms(3);
        CHECK(write(ends[1][1], "x", 1) == 1);
        _exit(0);
    }
    FD_ZERO(&in);
    FD_ZERO(&out);
    FD_SET(ends[0][0], &in);
    FD_SET(ends[1][0], &in);
    FD_SET(ends[0][1], &out);
    CHECK(select(100, &in, &out, NULL, NULL) >= 1 && FD_ISSET(ends[0][1], &out));
    wait = (struct timeval){5, 0};
    FD_SET(ends[1][0], &in);
    CHECK(select(100, &in, NULL, NULL, &wait) == 1 && FD_ISSET(ends[1][0], &in) && read(ends[1][0], &byte, 1) == 1);
    printf("%ld.%06ld left\n", wait.tv_sec, (long)wait.tv_usec);
    join(child, 0);
    close(ends[0][1]);
    struct timespec limit = {5, 0};
    CHECK(ppoll(polled, 1, &limit, NULL) == 1 && polled[0].revents == POLLHUP);
    CHECK(pselect(100, &in, NULL, NULL, &(struct timespec){0, 1000000}, NULL) == 0);
    FD_SET(60, &in);
    CHECK(select(61, &in, NULL, NULL, &wait) == -1 && errno == EBADF);
    return 0;
}
