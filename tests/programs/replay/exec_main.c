/* exit: 5 */
/* A program that executes itself ten times over, with descriptors, environment and folder going along. */
#include "check.h"

#include <fcntl.h>

int main(int argc, char **argv) {
    char number[20], text[100];
    int round = argc > 1 ? atoi(argv[1]) : 0;

    if (round == 0) {
        CHECK(dup2(open("log", O_CREAT | O_RDWR | O_APPEND, 0600), 20) == 20);
        snprintf(number, sizeof number, "%d", open("log", O_RDONLY | O_CLOEXEC));
        CHECK(setenv("CLOSED", number, 1) == 0);
    } else {
        CHECK(strcmp(getenv("ROUND"), argv[1]) == 0 && fcntl(20, F_GETFD) == 0);
        CHECK(round > 1 || (fcntl(atoi(getenv("CLOSED")), F_GETFD) == -1 && errno == EBADF));
    }
    int length = snprintf(text, sizeof text, "%d in %d at %p\n", round, getpid(), (void *)&round);
    CHECK(write(20, text, (size_t)length) == length);
    printf("%s", text);
    if (round == 10) {
        printf("log ends at %lld\n", (long long)lseek(20, 0, SEEK_CUR));
        return 5;
    }
    snprintf(number, sizeof number, "%d", round + 1);
    CHECK(setenv("ROUND", number, 1) == 0);
    execl("/proc/self/exe", argv[0], number, NULL);
    return 1;
}
