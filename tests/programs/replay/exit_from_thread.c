/* exit: 33 */
/* A thread ends the process while others compute, wait and sleep. */
#include "check.h"

#include <pthread.h>

static volatile uint64_t counter;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void *compute(void *unused) {
    while (!unused)
        counter++;
    return NULL;
}

static void *wait_for_mutex(void *unused) {
    pthread_mutex_lock(&mutex);
    return unused;
}

static void *end(void *unused) {
    sleep_ms(5);
    printf("thread %d ends it\n", gettid());
    exit(33);
    return unused;
}

int main(void) {
    void *(*const works[])(void *) = {compute, wait_for_mutex, end};
    pthread_t id;

    pthread_mutex_lock(&mutex);
    for (size_t i = 0; i < COUNT(works); i++)
        CHECK(pthread_create(&id, NULL, works[i], NULL) == 0);
    for (;;)
        pause();
}
