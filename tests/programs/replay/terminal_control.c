/* exit: 0 */
/* The rarer controls of terminals: packets, locks, flow, breaks, disciplines, exclusive use, a peer without its name.
 */
#include "check.h"

#include <asm/ioctls.h>
#include <fcntl.h>
#include <sys/ioctl.h>

/* asm/termbits.h and sys/ttydefaults.h do not go together with termios.h */
struct old_settings {
    unsigned short modes[4];
    unsigned char line, characters[8];
};

int main(void) {
    struct old_settings old;
    unsigned char lock[100] = {0};
    char text[100];
    int on = 1, value;

    int master = posix_openpt(O_RDWR | O_NOCTTY);
    if (master == -1) {
        printf("no pseudo-terminals here: %s\n", strerror(errno));
        return 0;
    }
    CHECK(grantpt(master) == 0 && unlockpt(master) == 0 && ioctl(master, TIOCGPTN, &value) == 0);
    int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY);
    CHECK(slave >= 0);
    printf("number %d\n", value);
    CHECK(ioctl(slave, TCGETA, &old) == 0 && ioctl(slave, TCSETA, &old) == 0 && ioctl(slave, TCSETAW, &old) == 0);
    printf("modes %x %x %x %x\n", old.modes[0], old.modes[1], old.modes[2], old.modes[3]);
    CHECK(ioctl(slave, TIOCGETD, &value) == 0);
    printf("discipline %d\n", value);
    CHECK(ioctl(slave, TIOCGLCKTRMIOS, lock) == 0 && ioctl(slave, TIOCEXCL) == 0 && ioctl(slave, TIOCNXCL) == 0);
    CHECK(ioctl(master, TIOCPKT, &on) == 0 && write(slave, "packet", 6) == 6);
    CHECK(read(master, text, sizeof text) == 7 && text[0] == TIOCPKT_DATA);
    CHECK(ioctl(slave, TCFLSH, 2 /* TCIOFLUSH */) == 0 && read(master, text, sizeof text) == 1);
    printf("packet of control: %x\n", text[0]);
    CHECK(ioctl(slave, TCSBRK, 1) == 0 && ioctl(slave, TCXONC, 0) == 0 && ioctl(slave, TCXONC, 1) == 0);
    CHECK(ioctl(slave, TIOCOUTQ, &value) == 0 && ioctl(master, TIOCGPKT, &value) == 0 && value == 1);
    int result = ioctl(slave, TIOCMGET, &value);
    printf("modem lines %d, stolen input %d\n", result, ioctl(slave, TIOCSTI, "x"));
    pid_t child = fork();
    if (child == 0) {
        CHECK(setsid() > 0 && ioctl(slave, TIOCSCTTY, 0) == 0 && ioctl(slave, TIOCGSID, &value) == 0);
        CHECK(value == getpid() && ioctl(slave, TIOCGPGRP, &value) == 0 && value == getpid());
        printf("session %d\n", value);
        CHECK(ioctl(slave, TIOCNOTTY) == 0 || errno == ENOTTY);
        _exit(3);
    }
    int status = status_of(child);
    CHECK(WIFEXITED(status) ? WEXITSTATUS(status) == 3 : WTERMSIG(status) == 1);
    return 0;
}
