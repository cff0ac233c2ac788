/* exit: 0 */
/* Detached threads, whose stacks are used again, and the count of threads that the kernel sees. */
#include "check.h"

#include <pthread.h>
#include <semaphore.h>

static sem_t done;

static void *work(void *argument) {
    int here;

    printf("%d: thread %d at %p\n", (int)(intptr_t)argument, gettid(), (void *)&here);
    sem_post(&done);
    return NULL;
}

int main(void) {
    pthread_attr_t attributes;
    pthread_t id;

    CHECK(sem_init(&done, 0, 0) == 0 && pthread_attr_init(&attributes) == 0 &&
          pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED) == 0);
    for (intptr_t i = 0; i < 20; i++) {
        CHECK(pthread_create(&id, i % 2 ? &attributes : NULL, work, (void *)i) == 0);
        if (i % 2 == 0)
            CHECK(pthread_detach(id) == 0);
        if (i % 3 == 0)
            CHECK(sem_wait(&done) == 0);
    }
    for (int i = 0; i < 13; i++)
        CHECK(sem_wait(&done) == 0);
    return 0;
}
