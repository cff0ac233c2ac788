/* case broken_pipe_fatal: | signal: SIGPIPE */
/* case broken_pipe_ignored: ignore | exit: 0 */
/* Writing to a pipe that nobody reads: fatal, or EPIPE where SIGPIPE is ignored. */
#include "check.h"

#include <signal.h>
#include <sys/socket.h>

int main(int argc, char **argv) {
    int ends[2], sockets[2];

    (void)argv;
    CHECK(pipe(ends) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0);
    close(ends[0]);
    close(sockets[0]);
    printf("%d writes\n", getpid());
    if (argc > 1)
        signal(SIGPIPE, SIG_IGN);
    else
        CHECK(send(sockets[1], "x", 1, MSG_NOSIGNAL) == -1 && errno == EPIPE);
    CHECK(write(ends[1], "x", 1) == -1 && errno == EPIPE);
    CHECK(send(sockets[1], "x", 1, 0) == -1 && errno == EPIPE);
    return 0;
}
