/* signal: SIGUSR2 */
/* raise in a thread is fatal for the whole process. */
#include "check.h"

#include <pthread.h>
#include <signal.h>

static void *work(void *unused) {
    printf("thread %d of %d\n", gettid(), getpid());
    raise(SIGUSR2);
    return unused;
}

int main(void) {
    pthread_t id;

    CHECK(pthread_create(&id, NULL, work, NULL) == 0 && pthread_join(id, NULL) == 0);
    return 1;
}
