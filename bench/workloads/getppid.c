/* usage: getppid PROCESSES CALLS - each process makes so many getppid calls, all at once. */
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv) {
    long processes = argc > 1 ? atol(argv[1]) : 1, calls = argc > 2 ? atol(argv[2]) : 1000000;

    if (processes == 1) {
        for (long i = 0; i < calls; i++)
            syscall(SYS_getppid);
        return 0;
    }
    for (long p = 0; p < processes; p++)
        if (fork() == 0) {
            for (long i = 0; i < calls; i++)
                syscall(SYS_getppid);
            _exit(0);
        }
    while (wait(NULL) > 0) {
    }
    return 0;
}
