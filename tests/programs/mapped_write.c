/* Maps a file, and changes it by calls: its own, and those of a child, which writes its memory, too. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static int given = 1;

int main(void) {
    char name[] = "mapped-XXXXXX", path[64];
    int file = mkstemp(name);
    pid_t parent = getpid(), child;

    unlink(name);
    if (ftruncate(file, 8192) != 0)
        return 1;
    volatile int *mapped = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    int value = 7;
    pwrite(file, &value, sizeof value, 4096);
    int first = mapped[1024];
    child = fork();
    if (child == 0) {
        value = 8;
        pwrite(file, &value, sizeof value, 4096);
        snprintf(path, sizeof path, "/proc/%d/mem", parent);
        int memory = open(path, O_RDWR);
        value = 9;
        pwrite(memory, &value, sizeof value, (off_t)&given);
        _exit(0);
    }
    waitpid(child, NULL, 0);
    printf("%d %d %d\n", first, mapped[1024], given);
    return 0;
}
