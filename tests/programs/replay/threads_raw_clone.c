/* exit: 0 */
/* Threads made by the clone call itself, with no C library: shared memory, a TLS pointer of their own, raw exits. */
#include "check.h"

#include <sched.h>
#include <sys/syscall.h>

static volatile int results[4], left = 4;

static int work(void *argument) {
    intptr_t index = (intptr_t)argument;

    /* raw calls alone: this thread shares its parent's thread-local data */
    results[index] = (int)syscall(SYS_gettid);
    __atomic_fetch_sub(&left, 1, __ATOMIC_SEQ_CST);
    for (;;)
        syscall(SYS_exit, 0);
    return 0;
}

int main(void) {
    for (intptr_t i = 0; i < 4; i++) {
        char *stack = malloc(65536);
        int tid =
            clone(work, stack + 65536, CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD, (void *)i);
        CHECK(tid > 0);
        while (!results[i])
            sched_yield();
        CHECK(results[i] == tid);
        printf("%d\n", tid);
    }
    while (left)
        sched_yield();
    return 0;
}
