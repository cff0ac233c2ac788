/* exit: 255 */
/* _exit(-1) by the raw call: no handler runs, and 8 bits of the status count. */
#include "check.h"

#include <sys/syscall.h>

static void never(void) {
    _exit(1);
}

int main(void) {
    CHECK(atexit(never) == 0);
    printf("pid %d\n", getpid());
    syscall(SYS_exit_group, -1);
}
