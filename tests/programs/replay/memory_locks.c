/* exit: 0 */
/* mlock, mlock2, munlock, mlockall and munlockall, and what the kernel says is locked. */
#include "check.h"

#include <sys/mman.h>

static void show(const char *after) {
    char line[256];
    FILE *file = fopen("/proc/self/status", "r");

    while (fgets(line, sizeof line, file))
        if (strncmp(line, "VmLck:", 6) == 0)
            printf("%s: %s", after, line);
    fclose(file);
}

int main(void) {
    char *map = mmap(NULL, 8 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CHECK(map != MAP_FAILED && mlock(map, 4096) == 0);
    show("mlock");
    CHECK(mlock2(map + 8192, 8192, MLOCK_ONFAULT) == 0 && munlock(map, 4096) == 0);
    show("mlock2");
    int result = mlockall(MCL_FUTURE | MCL_ONFAULT);
    printf("mlockall %d\n", result);
    CHECK(munlockall() == 0);
    show("munlockall");
    CHECK(mlock((void *)4096, 4096) == -1);
    return 0;
}
