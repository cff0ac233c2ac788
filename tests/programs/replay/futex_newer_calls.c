/* exit: 0 */
/* futex_waitv, and futex_wait, futex_wake and futex_requeue as calls of their own, where the kernel has them. */
#include "check.h"

#include <pthread.h>
#include <sys/syscall.h>

/* linux/futex.h of newer kernels */
enum { waitv_call = 449, wake_call = 454, wait_call = 455, size_u32 = 2, private_flag = 128 };

struct waiter {
    uint64_t value, address;
    uint32_t flags, reserved;
};

static uint32_t words[3];
static volatile int ended;

static void *wait_for_any(void *unused) {
    struct waiter waiters[3];

    for (int i = 0; i < 3; i++)
        waiters[i] = (struct waiter){0, (uintptr_t)&words[i], size_u32 | private_flag, 0};
    long result = syscall(waitv_call, waiters, 3, 0, NULL, CLOCK_MONOTONIC);
    CHECK(result == 1 || (result == -1 && errno == EAGAIN));
    printf("thread %d woken by %ld\n", gettid(), result);
    ended = 1;
    return unused;
}

int main(void) {
    struct waiter none = {1, (uintptr_t)&words[0], size_u32 | private_flag, 0};
    pthread_t id;

    long result = syscall(waitv_call, &none, 1, 0, NULL, CLOCK_MONOTONIC);
    if (absent(result, "futex_waitv"))
        return 0;
    CHECK(result == -1 && errno == EAGAIN);
    CHECK(pthread_create(&id, NULL, wait_for_any, NULL) == 0);
    while (!ended) {
        __atomic_store_n(&words[1], 1, __ATOMIC_SEQ_CST);
        syscall(SYS_futex, &words[1], 1 | 128, 1, NULL, NULL, 0);
        sched_yield();
    }
    CHECK(pthread_join(id, NULL) == 0);
    struct timespec now;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    now.tv_sec += (now.tv_nsec + 2000000) / 1000000000;
    now.tv_nsec = (now.tv_nsec + 2000000) % 1000000000;
    result = syscall(wait_call, &words[0], 0l, ~0u, size_u32 | private_flag, &now, CLOCK_MONOTONIC);
    if (absent(result, "futex_wait"))
        return 0;
    CHECK(result == -1 && errno == ETIMEDOUT);
    CHECK(syscall(wake_call, &words[0], ~0u, 1, size_u32 | private_flag) == 0);
    printf("at %lld\n", (long long)now_ns());
    return 0;
}
