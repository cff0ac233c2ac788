/* exit: 0 */
/* Unnamed semaphores between threads, and a named one. */
#include "check.h"

#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>

static sem_t ping, pong;
static int count;

static void *work(void *unused) {
    for (int i = 0; i < 200; i++) {
        CHECK(sem_wait(&ping) == 0);
        count++;
        CHECK(sem_post(&pong) == 0);
    }
    return unused;
}

int main(void) {
    pthread_t id;
    char name[64];
    int value;

    CHECK(sem_init(&ping, 0, 0) == 0 && sem_init(&pong, 0, 0) == 0 && pthread_create(&id, NULL, work, NULL) == 0);
    for (int i = 0; i < 200; i++) {
        CHECK(sem_post(&ping) == 0 && sem_wait(&pong) == 0 && count == i + 1);
    }
    CHECK(pthread_join(id, NULL) == 0 && sem_trywait(&ping) == -1 && errno == EAGAIN);
    struct timespec now;
    CHECK(clock_gettime(CLOCK_REALTIME, &now) == 0 && sem_timedwait(&ping, &now) == -1 && errno == ETIMEDOUT);
    snprintf(name, sizeof name, "/retrograde-%d-%llx", getpid(), (unsigned long long)random_word());
    sem_t *named = sem_open(name, O_CREAT | O_EXCL, 0600, 3);
    if (named == SEM_FAILED) {
        printf("no named semaphores here: %s\n", strerror(errno));
        return 0;
    }
    CHECK(sem_unlink(name) == 0 && sem_wait(named) == 0 && sem_getvalue(named, &value) == 0 && value == 2);
    printf("%s: %d\n", name, value);
    CHECK(sem_close(named) == 0);
    return 0;
}
