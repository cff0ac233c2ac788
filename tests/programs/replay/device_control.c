/* exit: 0 */
/* ioctl of files, pipes and sockets: sizes waiting, flags, versions, what is no terminal. */
#include "check.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>

int main(void) {
    int ends[2], sockets[2], value = 1, file = open("data", O_CREAT | O_RDWR, 0600);
    struct termios settings;
    long flags = 0;
    struct winsize window;

    CHECK(pipe(ends) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0);
    CHECK(write(ends[1], "12345", 5) == 5 && ioctl(ends[0], FIONREAD, &value) == 0 && value == 5);
    CHECK(send(sockets[0], "123", 3, 0) == 3 && ioctl(sockets[1], FIONREAD, &value) == 0 && value == 3);
    CHECK(ioctl(sockets[0], TIOCOUTQ, &value) == 0);
    printf("on its way: %d\n", value);
    value = 1;
    CHECK(ioctl(ends[0], FIONBIO, &value) == 0 && fcntl(ends[0], F_GETFL) & O_NONBLOCK);
    CHECK(ioctl(ends[0], FIOCLEX) == 0 && fcntl(ends[0], F_GETFD) == FD_CLOEXEC && ioctl(ends[0], FIONCLEX) == 0);
    CHECK(tcgetattr(file, &settings) == -1 && errno == ENOTTY && ioctl(file, TIOCGWINSZ, &window) == -1);
    int result = ioctl(file, FS_IOC_GETFLAGS, &flags);
    printf("flags %d: %lx\n", result, flags);
    result = ioctl(file, FS_IOC_GETVERSION, &flags);
    printf("version %d: %lx\n", result, flags);
    result = ioctl(file, FIGETBSZ, &value);
    printf("block size %d: %d\n", result, value);
    int other = open("other", O_CREAT | O_RDWR, 0600);
    result = ioctl(other, FICLONE, file);
    printf("clone: %d\n", result);
    CHECK(ioctl(file, 0x12345678, &value) == -1 && ioctl(1234, FIONREAD, &value) == -1 && errno == EBADF);
    return 0;
}
