/* exit: 0 */
/* A thread forks while others hold locks: pthread_atfork handlers, one thread in the child, and threads of its own. */
#include "check.h"

#include <pthread.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static volatile int stop, prepared, in_parent;

static void prepare(void) {
    pthread_mutex_lock(&mutex);
    prepared++;
}

static void parent(void) {
    in_parent++;
    pthread_mutex_unlock(&mutex);
}

static void child(void) {
    pthread_mutex_unlock(&mutex);
}

static void *busy(void *unused) {
    uint64_t rounds = 0;

    while (!stop) {
        pthread_mutex_lock(&mutex);
        rounds++;
        pthread_mutex_unlock(&mutex);
        free(malloc(rounds % 1000));
    }
    return unused;
}

static void *own(void *result) {
    *(pid_t *)result = gettid();
    return NULL;
}

static void *forker(void *unused) {
    for (int i = 0; i < 5; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            pthread_t id;
            pid_t tid;
            CHECK(gettid() == getpid() && pthread_create(&id, NULL, own, &tid) == 0 && pthread_join(id, NULL) == 0);
            printf("%d with thread %d\n", getpid(), tid);
            exit(i);
        }
        join(pid, i);
    }
    return unused;
}

int main(void) {
    pthread_t ids[3];

    CHECK(pthread_atfork(prepare, parent, child) == 0);
    for (int i = 0; i < 3; i++)
        CHECK(pthread_create(&ids[i], NULL, i < 2 ? busy : forker, NULL) == 0);
    CHECK(pthread_join(ids[2], NULL) == 0);
    stop = 1;
    CHECK(pthread_join(ids[0], NULL) == 0 && pthread_join(ids[1], NULL) == 0);
    CHECK(prepared == 5 && in_parent == 5);
    return 0;
}
