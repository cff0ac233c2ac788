/* exit: 0 */
/* Process-shared mutex, condition, barrier and semaphore in memory that a fork tree shares. */
#include "check.h"

#include <pthread.h>
#include <semaphore.h>
#include <sys/mman.h>

enum { children = 3, rounds = 200 };

struct shared {
    pthread_mutex_t mutex;
    pthread_cond_t condition;
    pthread_barrier_t barrier;
    sem_t semaphore;
    uint64_t order;
    int turn;
};

int main(void) {
    struct shared *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_t mutex;
    pthread_condattr_t condition;
    pthread_barrierattr_t barrier;
    pid_t pids[children];

    CHECK(pthread_mutexattr_init(&mutex) == 0 && pthread_condattr_init(&condition) == 0 &&
          pthread_barrierattr_init(&barrier) == 0);
    CHECK(pthread_mutexattr_setpshared(&mutex, 1) == 0 && pthread_condattr_setpshared(&condition, 1) == 0 &&
          pthread_barrierattr_setpshared(&barrier, 1) == 0);
    CHECK(pthread_mutex_init(&shared->mutex, &mutex) == 0 && pthread_cond_init(&shared->condition, &condition) == 0 &&
          pthread_barrier_init(&shared->barrier, &barrier, children + 1) == 0 &&
          sem_init(&shared->semaphore, 1, 0) == 0);
    for (int i = 0; i < children; i++)
        if ((pids[i] = fork()) == 0) {
            pthread_barrier_wait(&shared->barrier);
            for (int k = 0; k < rounds; k++) {
                pthread_mutex_lock(&shared->mutex);
                shared->order = shared->order * 31 + (uint64_t)getpid();
                pthread_mutex_unlock(&shared->mutex);
            }
            for (int k = 0; k < 20; k++) {
                pthread_mutex_lock(&shared->mutex);
                while (shared->turn % children != i)
                    pthread_cond_wait(&shared->condition, &shared->mutex);
                shared->turn++;
                pthread_cond_broadcast(&shared->condition);
                pthread_mutex_unlock(&shared->mutex);
            }
            CHECK(sem_post(&shared->semaphore) == 0);
            _exit(0);
        }
    pthread_barrier_wait(&shared->barrier);
    for (int i = 0; i < children; i++)
        while (sem_wait(&shared->semaphore))
            CHECK(errno == EINTR);
    for (int i = 0; i < children; i++)
        join(pids[i], 0);
    CHECK(shared->turn == 20 * children);
    printf("order %016llx\n", (unsigned long long)shared->order);
    return 0;
}
