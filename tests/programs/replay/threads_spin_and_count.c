/* exit: 0 */
/* A thread counts in memory until it is told to stop, and no register tells how far it has come: others run while it
 * does, wait and compute. */
#include "check.h"

#include <pthread.h>

static volatile int stop;
static unsigned long counted[2], sums[3];

static void *count(void *at) {
    unsigned long *counter = at;

    while (!stop) {
#if defined(__x86_64__)
        asm volatile("incq %0" : "+m"(*counter) : : "cc");
#else
        unsigned long next;
        asm volatile("ldr %0, %1\n\tadd %0, %0, #1\n\tstr %0, %1\n\tmov %0, #0" : "=&r"(next), "+m"(*counter));
#endif
    }
    return NULL;
}

static unsigned long compute(unsigned long rounds) {
    unsigned long sum = 0;

    for (unsigned long i = 0; i < rounds; i++)
        sum = sum * 31 + i + counted[i % 2];
    return sum;
}

int main(void) {
    pthread_t ids[2];

    for (int i = 0; i < 2; i++)
        CHECK(pthread_create(&ids[i], NULL, count, &counted[i]) == 0);
    for (int i = 0; i < 3; i++) {
        sleep_ms(3);
        sums[i] = compute(300000);
        printf("%lu %lu %lu\n", counted[0], counted[1], sums[i]);
    }
    stop = 1;
    for (int i = 0; i < 2; i++)
        CHECK(pthread_join(ids[i], NULL) == 0);
    printf("%lu %lu\n", counted[0], counted[1]);
    return 0;
}
