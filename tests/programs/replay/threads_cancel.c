/* exit: 0 */
/* Cancelling threads: in a call, in a loop without calls, while it is disabled, and with cleanup handlers. */
#include "check.h"

#include <pthread.h>
#include <semaphore.h>

static sem_t ready;
static volatile uint64_t counter;
static volatile int cleaned, survived;

static void clean(void *argument) {
    cleaned += (int)(intptr_t)argument;
    printf("thread %d cleans up\n", gettid());
}

static void *in_a_call(void *unused) {
    pthread_cleanup_push(clean, (void *)1);
    sem_post(&ready);
    for (;;)
        pause();
    pthread_cleanup_pop(0);
    return unused;
}

static void *in_a_loop(void *unused) {
    CHECK(pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL) == 0);
    pthread_cleanup_push(clean, (void *)10);
    sem_post(&ready);
    for (;;)
        counter++;
    pthread_cleanup_pop(0);
    return unused;
}

static void *disabled(void *unused) {
    CHECK(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL) == 0);
    sem_post(&ready);
    sleep_ms(5);
    survived = 1;
    CHECK(pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL) == 0);
    pthread_testcancel();
    survived = 2;
    return unused;
}

int main(void) {
    void *(*const works[])(void *) = {in_a_call, in_a_loop, disabled};
    void *result;
    pthread_t id;

    CHECK(sem_init(&ready, 0, 0) == 0);
    for (size_t i = 0; i < COUNT(works); i++) {
        CHECK(pthread_create(&id, NULL, works[i], NULL) == 0 && sem_wait(&ready) == 0);
        if (i == 1)
            sleep_ms(3);
        CHECK(pthread_cancel(id) == 0 && pthread_join(id, &result) == 0 && result == PTHREAD_CANCELED);
    }
    CHECK(cleaned == 11 && survived == 1);
    printf("counted to %llu\n", (unsigned long long)counter);
    return 0;
}
