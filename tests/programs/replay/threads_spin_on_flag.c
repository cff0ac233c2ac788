/* exit: 0 */
/* Threads that spin, with no system call at all, until another thread has changed a word. */
#include "check.h"

#include <pthread.h>

enum { threads = 3, rounds = 30 };

static volatile unsigned turn;
static volatile uint64_t spins[threads];

static void *work(void *argument) {
    unsigned index = (unsigned)(uintptr_t)argument;

    for (int i = 0; i < rounds; i++) {
        while (__atomic_load_n(&turn, __ATOMIC_ACQUIRE) % threads != index) {
            spins[index]++;
            /* with one CPU it would else take a time slice each */
            if (spins[index] % 1000 == 0)
                sched_yield();
        }
        __atomic_store_n(&turn, turn + 1, __ATOMIC_RELEASE);
    }
    return NULL;
}

static void *pure_spin(void *unused) {
    while (turn != 0xffff)
        ;
    return unused;
}

int main(void) {
    pthread_t ids[threads];

    for (uintptr_t i = 0; i < threads; i++)
        CHECK(pthread_create(&ids[i], NULL, work, (void *)i) == 0);
    for (int i = 0; i < threads; i++)
        CHECK(pthread_join(ids[i], NULL) == 0);
    CHECK(turn == threads * rounds);
    CHECK(pthread_create(&ids[0], NULL, pure_spin, NULL) == 0);
    sleep_ms(2);
    turn = 0xffff;
    CHECK(pthread_join(ids[0], NULL) == 0);
    for (int i = 0; i < threads; i++)
        printf("thread %d spun %llu times\n", i, (unsigned long long)spins[i]);
    return 0;
}
