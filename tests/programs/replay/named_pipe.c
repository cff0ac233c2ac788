/* exit: 0 */
/* A FIFO: opening waits for the other side, or not, and both sides for one. */
#include "check.h"

#include <fcntl.h>
#include <sys/stat.h>

int main(void) {
    char text[100];

    CHECK(mkfifo("fifo", 0600) == 0 && open("fifo", O_WRONLY | O_NONBLOCK) == -1 && errno == ENXIO);
    pid_t child = fork();
    if (child == 0) {
        int writer = open("fifo", O_WRONLY);
        int length = snprintf(text, sizeof text, "from %d: %016llx", getpid(), (unsigned long long)random_word());
        CHECK(write(writer, text, (size_t)length) == length);
        _exit(0);
    }
    int reader = open("fifo", O_RDONLY);
    ssize_t size = read(reader, text, sizeof text);
    CHECK(size > 0);
    printf("%.*s\n", (int)size, text);
    CHECK(read(reader, text, sizeof text) == 0);
    join(child, 0);
    int both = open("fifo", O_RDWR);
    CHECK(both >= 0 && write(both, "x", 1) == 1 && read(both, text, 1) == 1);
    return 0;
}
