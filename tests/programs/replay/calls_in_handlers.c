/* exit: 4 */
/* Handlers that do much: fork, write, map memory, and at last execute a program with the signal still blocked. */
#include "check.h"

#include <signal.h>
#include <sys/mman.h>

static char *name;
static volatile int count;

static void on_signal(int number) {
    if (number == SIGUSR2)
        execl("/proc/self/exe", name, "again", NULL);
    pid_t child = fork();
    if (child == 0) {
        write(1, "child of a handler\n", 19) == 19 ? _exit(++count) : _exit(0);
    }
    join(child, count + 1);
    void *map = mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(map != MAP_FAILED && munmap(map, 1 << 15) == 0);
    count++;
}

int main(int argc, char **argv) {
    sigset_t mask;

    if (argc == 2) {
        CHECK(sigprocmask(SIG_BLOCK, NULL, &mask) == 0 && sigismember(&mask, SIGUSR2));
        printf("executed in %d\n", getpid());
        return 4;
    }
    name = argv[0];
    signal(SIGUSR1, on_signal);
    signal(SIGUSR2, on_signal);
    for (int i = 0; i < 5; i++)
        CHECK(raise(SIGUSR1) == 0 && count == i + 1);
    printf("%d handled by %d\n", count, getpid());
    raise(SIGUSR2);
    return 1;
}
