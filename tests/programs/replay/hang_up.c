/* exit: 0 */
/* vhangup and the end of a session's leader: SIGHUP for its group, and a dead terminal. */
#include "check.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>

int main(void) {
    char text[100];
    int ends[2];

    CHECK(pipe(ends) == 0);
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    if (master == -1) {
        printf("no pseudo-terminals here: %s\n", strerror(errno));
        return 0;
    }
    CHECK(grantpt(master) == 0 && unlockpt(master) == 0);
    pid_t leader = fork();
    if (leader == 0) {
        CHECK(setsid() > 0);
        int slave = open(ptsname(master), O_RDWR);
        CHECK(slave >= 0 && tcgetpgrp(slave) == getpid());
        pid_t member = fork();
        if (member == 0) {
            sigset_t mask;
            int got;
            close(master);
            sigemptyset(&mask);
            sigaddset(&mask, SIGHUP);
            CHECK(sigprocmask(SIG_BLOCK, &mask, NULL) == 0 && write(ends[1], "r", 1) == 1);
            CHECK(sigwait(&mask, &got) == 0);
            ssize_t size = read(slave, text, sizeof text);
            printf("%d got signal %d, then read %zd\n", getpid(), got, size);
            CHECK(size <= 0 && write(ends[1], "d", 1) == 1);
            _exit(0);
        }
        CHECK(read(ends[0], text, 1) == 1 && text[0] == 'r');
        signal(SIGHUP, SIG_IGN);
        if (vhangup())
            printf("may not hang up: %s\n", strerror(errno));
        _exit(0);
    }
    join(leader, 0);
    CHECK(close(master) == 0); /* hangs up too */
    CHECK(read(ends[0], text, 1) == 1 && text[0] == 'd');
    printf("%d is gone\n", leader);
    return 0;
}
