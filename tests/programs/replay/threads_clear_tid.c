/* exit: 0 */
/* CLONE_CHILD_CLEARTID and set_tid_address: the word that the kernel clears, and the futex it wakes, at a thread's end.
 */
#include "check.h"

#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>

static volatile int cleared, set, moved = 1;

static int work(void *argument) {
    if (argument)
        syscall(SYS_set_tid_address, &moved);
    syscall(SYS_exit, 0);
    return 0;
}

static void wait_for(volatile int *word) {
    for (int value; (value = *word) != 0;)
        syscall(SYS_futex, word, FUTEX_WAIT, value, NULL, NULL, 0);
}

int main(void) {
    char *stack = malloc(65536);
    int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_PARENT_SETTID |
                CLONE_CHILD_CLEARTID;

    for (int i = 0; i < 20; i++) {
        cleared = 1;
        int tid = clone(work, stack + 65536, flags, NULL, &set, NULL, &cleared);
        CHECK(tid > 0);
        wait_for(&cleared);
        CHECK(set == tid);
        printf("%d\n", tid);
    }
    cleared = 1;
    CHECK(clone(work, stack + 65536, flags, stack, &set, NULL, &cleared) > 0);
    wait_for(&moved);
    CHECK(cleared == 1);
    return 0;
}
