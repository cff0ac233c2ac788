/* exit: 0 */
/* What a daemon does at its start: fork, a session, fork again, other folder and descriptors. */
#include "check.h"

#include <fcntl.h>
#include <sys/stat.h>

int main(void) {
    char text[100];
    int ends[2];

    CHECK(pipe(ends) == 0);
    pid_t child = fork();
    if (child == 0) {
        CHECK(setsid() > 0);
        if (fork() > 0)
            _exit(0);
        umask(0);
        CHECK(chdir("/") == 0);
        int null = open("/dev/null", O_RDWR);
        for (int fd = 0; fd < 3; fd++)
            CHECK(dup2(null, fd) == fd);
        int length = snprintf(text, sizeof text, "daemon %d in session %d", getpid(), getsid(0));
        CHECK(write(ends[1], text, (size_t)length) == length);
        printf("nobody reads this\n");
        _exit(0);
    }
    join(child, 0);
    close(ends[1]);
    ssize_t size = read(ends[0], text, sizeof text);
    CHECK(size > 0);
    printf("%.*s\n", (int)size, text);
    CHECK(read(ends[0], text, 1) == 0);
    return 0;
}
