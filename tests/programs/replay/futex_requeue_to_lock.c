/* exit: 0 */
/* FUTEX_WAIT_REQUEUE_PI and FUTEX_CMP_REQUEUE_PI: woken only when the lock is theirs; and FUTEX_LOCK_PI2. */
#include "check.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>

static uint32_t condition, lock;
static volatile int waiting;

static long futex(uint32_t *word, int operation, uint32_t value, const void *timeout, uint32_t *second,
                  uint32_t third) {
    return syscall(SYS_futex, word, operation | FUTEX_PRIVATE_FLAG, value, timeout, second, third);
}

static void *work(void *unused) {
    __atomic_fetch_add(&waiting, 1, __ATOMIC_SEQ_CST);
    CHECK(futex(&condition, FUTEX_WAIT_REQUEUE_PI, 0, NULL, &lock, 0) == 0);
    CHECK((lock & FUTEX_TID_MASK) == (uint32_t)gettid());
    printf("%d owns the lock\n", gettid());
    CHECK(futex(&lock, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0) == 0);
    return unused;
}

int main(void) {
    pthread_t ids[3];
    long moved = 0;

    if (futex(&lock, FUTEX_LOCK_PI, 0, NULL, NULL, 0) == -1) {
        CHECK(absent(-1, "priority inheritance"));
        return 0;
    }
    for (int i = 0; i < 3; i++)
        CHECK(pthread_create(&ids[i], NULL, work, NULL) == 0);
    while (moved < 3) {
        long got = futex(&condition, FUTEX_CMP_REQUEUE_PI, 1, (void *)10l, &lock, 0);
        CHECK(got >= 0);
        moved += got;
        sched_yield();
    }
    printf("%ld moved, word %x\n", moved, lock & ~FUTEX_TID_MASK);
    CHECK(futex(&lock, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0) == 0);
    for (int i = 0; i < 3; i++)
        CHECK(pthread_join(ids[i], NULL) == 0);
    CHECK(lock == 0);
    long result = futex(&lock, 13 /* FUTEX_LOCK_PI2 */, 0, NULL, NULL, 0);
    if (!absent(result, "FUTEX_LOCK_PI2"))
        CHECK(result == 0 && lock == (uint32_t)gettid());
    return 0;
}
