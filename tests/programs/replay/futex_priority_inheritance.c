/* exit: 0 */
/* Futexes whose word the kernel writes: lock, trylock and unlock with priority inheritance. */
#include "check.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>

static uint32_t word;
static uint64_t order;

static long futex(int operation, const struct timespec *timeout) {
    return syscall(SYS_futex, &word, operation, 0, timeout, NULL, 0);
}

static void *work(void *argument) {
    for (int i = 0; i < 200; i++) {
        uint32_t expected = 0;
        if (!__atomic_compare_exchange_n(&word, &expected, (uint32_t)gettid(), 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
            CHECK(futex(FUTEX_LOCK_PI_PRIVATE, NULL) == 0);
        CHECK((word & FUTEX_TID_MASK) == (uint32_t)gettid());
        order = order * 31 + (uintptr_t)argument;
        if (i % 50 == 0)
            usleep(100);
        expected = (uint32_t)gettid();
        if (!__atomic_compare_exchange_n(&word, &expected, 0, 0, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
            CHECK(futex(FUTEX_UNLOCK_PI_PRIVATE, NULL) == 0);
    }
    return NULL;
}

int main(void) {
    pthread_t ids[3];

    if (futex(FUTEX_LOCK_PI_PRIVATE, NULL) == -1) {
        CHECK(absent(-1, "priority inheritance"));
        return 0;
    }
    CHECK(word == (uint32_t)gettid());
    printf("word %x\n", word);
    CHECK(futex(FUTEX_LOCK_PI_PRIVATE, NULL) == -1 && errno == EDEADLK);
    for (uintptr_t i = 0; i < 3; i++)
        CHECK(pthread_create(&ids[i], NULL, work, (void *)i) == 0);
    sleep_ms(3);
    printf("word %x with waiters\n", word);
    CHECK(futex(FUTEX_UNLOCK_PI_PRIVATE, NULL) == 0);
    for (int i = 0; i < 3; i++)
        CHECK(pthread_join(ids[i], NULL) == 0);
    CHECK(word == 0 && futex(FUTEX_TRYLOCK_PI_PRIVATE, NULL) == 0 && word == (uint32_t)gettid());
    printf("order %016llx\n", (unsigned long long)order);
    return 0;
}
