/* exit: 0 */
/* What eventfd does: counters and semaphores between threads and processes. */
#include "check.h"

#include <pthread.h>
#include <sys/eventfd.h>

static int counter, semaphore;

static void *work(void *unused) {
    for (uint64_t i = 1, one; i <= 20; i++) {
        CHECK(write(counter, &i, sizeof i) == 8);
        CHECK(read(semaphore, &one, sizeof one) == 8 && one == 1);
    }
    printf("thread %d had all\n", gettid());
    return unused;
}

int main(void) {
    pthread_t id;
    uint64_t got, total, five = 5;

    counter = eventfd(0, EFD_CLOEXEC);
    semaphore = eventfd(0, EFD_SEMAPHORE);
    CHECK(pthread_create(&id, NULL, work, NULL) == 0);
    pid_t child = fork();
    if (child == 0) {
        got = 100;
        CHECK(write(counter, &got, sizeof got) == 8);
        _exit(0);
    }
    for (int i = 0; i < 4; i++)
        CHECK(write(semaphore, &five, sizeof five) == 8);
    join(child, 0);
    CHECK(pthread_join(id, NULL) == 0);
    CHECK(read(counter, &total, sizeof total) == 8 && total == 310);
    int quick = eventfd(3, EFD_NONBLOCK | EFD_SEMAPHORE);
    for (int i = 0; i < 3; i++)
        CHECK(read(quick, &got, sizeof got) == 8 && got == 1);
    CHECK(read(quick, &got, sizeof got) == -1 && errno == EAGAIN);
    got = UINT64_MAX;
    CHECK(write(quick, &got, sizeof got) == -1 && errno == EINVAL && read(quick, &got, 4) == -1);
    printf("%llu with %d\n", (unsigned long long)total, child);
    return 0;
}
