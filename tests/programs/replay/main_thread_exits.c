/* exit: 0 */
/* pthread_exit in main: the process lives on in its threads, and ends with the last of them. */
#include "check.h"

#include <pthread.h>

static pthread_t main_thread;

static void *work(void *argument) {
    intptr_t index = (intptr_t)argument;

    if (index == 0)
        CHECK(pthread_join(main_thread, NULL) == 0);
    sleep_ms(2 * (int)index);
    printf("thread %d of %d\n", gettid(), getpid());
    return NULL;
}

int main(void) {
    pthread_t id;

    main_thread = pthread_self();
    for (intptr_t i = 0; i < 4; i++)
        CHECK(pthread_create(&id, NULL, work, (void *)i) == 0);
    printf("main thread %d goes\n", gettid());
    pthread_exit(NULL);
}
