/* exit: 12 */
/* main returns while threads are in calls and in loops. */
#include "check.h"

#include <pthread.h>

static volatile uint64_t counters[4];

static void *work(void *argument) {
    intptr_t index = (intptr_t)argument;

    for (;;) {
        counters[index]++;
        if (index % 2)
            getppid();
    }
    return NULL;
}

int main(void) {
    pthread_t id;

    for (intptr_t i = 0; i < 4; i++)
        CHECK(pthread_create(&id, NULL, work, (void *)i) == 0);
    for (int i = 0; i < 4; i++)
        while (counters[i] < 1000)
            sleep_ms(1);
    for (int i = 0; i < 4; i++)
        printf("%llu\n", (unsigned long long)counters[i]);
    return 12;
}
