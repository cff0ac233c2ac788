/* usage: calls PROCESSES N - each of the processes calls getppid N times. */
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv) {
    int processes = argc > 1 ? atoi(argv[1]) : 1, count = argc > 2 ? atoi(argv[2]) : 1;

    for (int i = 0; i < processes; i++)
        if (fork() == 0) {
            for (int k = 0; k < count; k++)
                syscall(SYS_getppid);
            _exit(0);
        }
    while (wait(NULL) > 0) {
    }
    return 0;
}
