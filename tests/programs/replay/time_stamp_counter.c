/* exit: 0 */
/* arch: x86_64 */
/* rdtsc and rdtscp, in the program and in a thread: never backwards, and printed. */
#include "check.h"

#include <pthread.h>
#include <x86intrin.h>

static void *work(void *unused) {
    unsigned processor;
    uint64_t last = __rdtsc();

    for (int i = 0; i < 200; i++) {
        uint64_t now = i % 2 ? __rdtsc() : __rdtscp(&processor);
        CHECK(now >= last);
        last = now;
    }
    printf("%llu on %u\n", (unsigned long long)last, processor & 0xfff);
    return unused;
}

int main(void) {
    pthread_t id;

    work(NULL);
    CHECK(pthread_create(&id, NULL, work, NULL) == 0);
    work(NULL);
    CHECK(pthread_join(id, NULL) == 0);
    uint64_t start = __rdtsc();
    sleep_ms(2);
    printf("2 ms are %llu\n", (unsigned long long)(__rdtsc() - start));
    return 0;
}
