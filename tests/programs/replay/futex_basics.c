/* exit: 0 */
/* Futexes by the call itself: wait, a value that differs, timeouts, wake, bitsets, and requeue. */
#include "check.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>

static uint32_t word, other;
static volatile int waiting, woken;

static long futex(uint32_t *address, int operation, uint32_t value, const void *timeout, uint32_t *second,
                  uint32_t bits) {
    return syscall(SYS_futex, address, operation, value, timeout, second, bits);
}

static void *wait_for_bit(void *argument) {
    __atomic_fetch_add(&waiting, 1, __ATOMIC_SEQ_CST);
    CHECK(futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, NULL, NULL, (uint32_t)(uintptr_t)argument) == 0);
    __atomic_fetch_add(&woken, 1, __ATOMIC_SEQ_CST);
    printf("woken: %d\n", gettid());
    return NULL;
}

/* Wakes count of them, once they have come to wait. */
static void wake(uint32_t *address, int count, uint32_t bits) {
    for (long done = 0; done < count; sched_yield()) {
        long got = futex(address, FUTEX_WAKE_BITSET_PRIVATE, (uint32_t)(count - done), NULL, NULL, bits);
        CHECK(got >= 0);
        done += got;
    }
}

int main(void) {
    struct timespec wait = {0, 2000000};
    pthread_t ids[4];

    CHECK(futex(&word, FUTEX_WAIT_PRIVATE, 1, NULL, NULL, 0) == -1 && errno == EAGAIN);
    CHECK(futex(&word, FUTEX_WAIT, 0, &wait, NULL, 0) == -1 && errno == ETIMEDOUT);
    int64_t then = now_ns() + 2000000;
    struct timespec until = {then / 1000000000, then % 1000000000};
    CHECK(futex(&word, FUTEX_WAIT_BITSET, 0, &until, NULL, FUTEX_BITSET_MATCH_ANY) == -1 && errno == ETIMEDOUT);
    printf("late by %lld\n", (long long)(now_ns() - then));
    for (uintptr_t i = 0; i < 4; i++)
        CHECK(pthread_create(&ids[i], NULL, wait_for_bit, (void *)(i % 2 ? 2ul : 1ul)) == 0);
    wake(&word, 2, 1);
    CHECK(pthread_join(ids[0], NULL) == 0 && pthread_join(ids[2], NULL) == 0 && woken == 2);
    for (long moved = 0; moved < 2; sched_yield()) {
        long got = futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 0, (void *)2l, &other, 0);
        CHECK(got >= 0);
        moved += got;
    }
    CHECK(futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 0, (void *)2l, &other, 5) == -1 && errno == EAGAIN);
    wake(&other, 2, 2);
    CHECK(pthread_join(ids[1], NULL) == 0 && pthread_join(ids[3], NULL) == 0);
    other = 5;
    int operation = FUTEX_OP(FUTEX_OP_ADD, 3, FUTEX_OP_CMP_EQ, 5);
    CHECK(futex(&word, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1l, &other, (uint32_t)operation) == 0 && other == 8);
    CHECK(futex(NULL, FUTEX_WAIT, 0, NULL, NULL, 0) == -1 && errno == EFAULT);
    return 0;
}
