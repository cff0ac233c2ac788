/* exit: 0 */
/* A pseudo-terminal: its names and numbers, settings, window size, echo, and line editing. */
#include "check.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>

int main(void) {
    struct termios settings;
    struct winsize window = {24, 80, 0, 0}, got;
    char text[200];
    int waiting;
    ssize_t size;

    int master = posix_openpt(O_RDWR | O_NOCTTY);
    if (master == -1) {
        printf("no pseudo-terminals here: %s\n", strerror(errno));
        return 0;
    }
    CHECK(grantpt(master) == 0 && unlockpt(master) == 0);
    printf("terminal %s\n", ptsname(master));
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    CHECK(slave >= 0 && isatty(slave) && !isatty(open("file", O_CREAT | O_RDWR, 0600)));
    CHECK(ioctl(master, TIOCSWINSZ, &window) == 0 && ioctl(slave, TIOCGWINSZ, &got) == 0 && got.ws_col == 80);
    CHECK(tcgetattr(slave, &settings) == 0);
    printf("modes %x %x %x %x, speed %d\n", settings.c_iflag, settings.c_oflag, settings.c_cflag, settings.c_lflag,
           (int)cfgetospeed(&settings));
    CHECK(write(master, "abc\bd\n", 6) == 6 && read(slave, text, sizeof text) > 0);
    size = read(master, text, sizeof text);
    CHECK(size > 0);
    printf("echo: %016llx\n", (unsigned long long)hash_of(text, (size_t)size));
    CHECK(write(slave, "one\ntwo", 7) == 7);
    size = read(master, text, sizeof text);
    CHECK(size == 8 && memcmp(text, "one\r\ntwo", 8) == 0);
    cfmakeraw(&settings);
    settings.c_cc[VMIN] = 0;
    settings.c_cc[VTIME] = 0;
    CHECK(tcsetattr(slave, TCSANOW, &settings) == 0 && read(slave, text, 1) == 0);
    CHECK(write(master, "raw\x04", 4) == 4);
    while (ioctl(slave, FIONREAD, &waiting) == 0 && waiting < 4)
        ;
    CHECK(read(slave, text, sizeof text) == 4 && tcflush(slave, TCIOFLUSH) == 0 && tcdrain(slave) == 0);
    close(slave);
    CHECK(read(master, text, sizeof text) == -1 && errno == EIO);
    return 0;
}
