/* exit: 0 */
/* dup, dup2, dup3, F_DUPFD and what they share: offset and flags, but not FD_CLOEXEC. */
#include "check.h"

#include <fcntl.h>

int main(void) {
    int file = open("data", O_CREAT | O_RDWR, 0600);
    int second = dup(file), third = dup2(file, 20), fourth = dup3(file, 30, O_CLOEXEC);
    int fifth = fcntl(file, F_DUPFD, 40), sixth = fcntl(file, F_DUPFD_CLOEXEC, 40);

    printf("%d %d %d %d %d %d\n", file, second, third, fourth, fifth, sixth);
    CHECK(third == 20 && fourth == 30 && fifth == 40 && sixth == 41);
    CHECK(fcntl(fourth, F_GETFD) == FD_CLOEXEC && fcntl(third, F_GETFD) == 0 && fcntl(sixth, F_GETFD) == FD_CLOEXEC);
    CHECK(write(second, "123", 3) == 3 && lseek(fifth, 0, SEEK_CUR) == 3);
    CHECK(fcntl(third, F_SETFL, O_APPEND) == 0 && fcntl(file, F_GETFL) & O_APPEND);
    CHECK(dup2(file, file) == file && dup3(file, file, 0) == -1 && errno == EINVAL);
    CHECK(dup(1234) == -1 && errno == EBADF && dup2(file, -1) == -1);
    CHECK(dup2(file, second) == second && close(second) == 0);
    printf("flags %x\n", fcntl(file, F_GETFL));
    /* standard output moves and comes back */
    int saved = dup(1);
    CHECK(dup2(file, 1) == 1);
    printf("into the file by %d\n", getpid());
    CHECK(dup2(saved, 1) == 1);
    char text[100] = "";
    CHECK(pread(file, text, sizeof text - 1, 3) > 0);
    printf("read back: %s", text);
    return 0;
}
