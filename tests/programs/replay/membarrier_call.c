/* exit: 0 */
/* What membarrier does: what it can do, registered and used between threads. */
#include "check.h"

#include <linux/membarrier.h>
#include <pthread.h>
#include <sys/syscall.h>

static volatile int flag, seen;

static void *work(void *unused) {
    while (!flag)
        ;
    seen = flag;
    return unused;
}

int main(void) {
    pthread_t id;
    long commands = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);

    if (absent(commands, "membarrier"))
        return 0;
    printf("commands %lx\n", commands);
    CHECK(pthread_create(&id, NULL, work, NULL) == 0);
    CHECK(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0);
    flag = getpid();
    CHECK(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0 && pthread_join(id, NULL) == 0);
    printf("seen %d\n", seen);
    CHECK(syscall(SYS_membarrier, 1 << 30, 0, 0) == -1 && errno == EINVAL);
    return 0;
}
