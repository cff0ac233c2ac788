/* Maps a file, and changes it by calls: its own, and those of a child, which writes its memory, too. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static int given = 1;

int main(void) {
    char name[] = "mapped-XXXXXX", path[64];
    int file = mkstemp(name);
    pid_t parent = getpid(), child;

    unlink(name);
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0); /* Yama lets no child write to its parent's memory */
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
        lseek(file, 4096, SEEK_SET);
        value = 9;
        if (write(file, &value, sizeof value) != sizeof value)
            return 2;
        snprintf(path, sizeof path, "/proc/%d/mem", parent);
        int memory = open(path, O_RDWR);
        value = 5;
        _exit(pwrite(memory, &value, sizeof value, (off_t)&given) != sizeof value);
    }
    waitpid(child, NULL, 0);
    printf("%d %d %d\n", first, mapped[1024], given);
    return 0;
}
