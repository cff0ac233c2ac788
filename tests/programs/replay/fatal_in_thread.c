/* signal: SIGSEGV */
/* One of several threads dies by a fault, and takes the process with it. */
#include "check.h"

#include <pthread.h>

static pthread_barrier_t barrier;

static void *work(void *argument) {
    volatile int *place = argument;

    pthread_barrier_wait(&barrier);
    printf("thread %d\n", gettid());
    pthread_barrier_wait(&barrier);
    if (place)
        for (;;)
            place[0]++;
    sleep_ms(3);
    place[100] = 1;
    return NULL;
}

int main(void) {
    static int numbers[3];
    pthread_t ids[4];

    CHECK(pthread_barrier_init(&barrier, NULL, 4) == 0);
    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&ids[i], NULL, work, i < 3 ? &numbers[i] : NULL) == 0);
    pthread_join(ids[0], NULL);
    return 1;
}
