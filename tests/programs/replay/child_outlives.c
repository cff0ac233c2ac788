/* exit: 3 */
/* The first process ends while its child and grandchild go on, and write their last words into a file. */
#include "check.h"

#include <fcntl.h>

int main(void) {
    char text[100];

    pid_t parent = getpid();
    if (fork() == 0) {
        pid_t child = getpid();
        if (fork() == 0) {
            while (getppid() == child)
                usleep(500);
            int file = open("last-words", O_CREAT | O_WRONLY | O_APPEND, 0600);
            int length = snprintf(text, sizeof text, "grandchild %d, now of %d\n", getpid(), getppid());
            CHECK(write(file, text, (size_t)length) == length);
            _exit(0);
        }
        while (getppid() == parent)
            usleep(500);
        _exit(0);
    }
    printf("%d goes first\n", parent);
    return 3;
}
