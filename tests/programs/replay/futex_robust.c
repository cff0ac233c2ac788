/* exit: 0 */
/* Robust mutexes whose owner dies holding them: a thread, and a process with the mutex in shared memory. */
#include "check.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>

static pthread_mutex_t *mutexes;

static void *die_as_owner(void *unused) {
    CHECK(pthread_mutex_lock(&mutexes[0]) == 0 && pthread_mutex_lock(&mutexes[1]) == 0);
    printf("thread %d dies\n", gettid());
    return unused;
}

int main(void) {
    pthread_mutexattr_t attributes;
    pthread_t id;
    void *head;
    size_t length;

    mutexes = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(pthread_mutexattr_init(&attributes) == 0 &&
          pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST) == 0 &&
          pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED) == 0);
    for (int i = 0; i < 3; i++)
        CHECK(pthread_mutex_init(&mutexes[i], &attributes) == 0);
    CHECK(pthread_create(&id, NULL, die_as_owner, NULL) == 0 && pthread_join(id, NULL) == 0);
    printf("word %x\n", *(unsigned *)&mutexes[0]);
    CHECK(pthread_mutex_lock(&mutexes[0]) == EOWNERDEAD && pthread_mutex_consistent(&mutexes[0]) == 0 &&
          pthread_mutex_unlock(&mutexes[0]) == 0 && pthread_mutex_lock(&mutexes[0]) == 0);
    CHECK(pthread_mutex_lock(&mutexes[1]) == EOWNERDEAD && pthread_mutex_unlock(&mutexes[1]) == 0 &&
          pthread_mutex_lock(&mutexes[1]) == ENOTRECOVERABLE);
    pid_t child = fork();
    if (child == 0) {
        CHECK(pthread_mutex_lock(&mutexes[2]) == 0);
        sleep_ms(5);
        _exit(4);
    }
    while (*(volatile int *)&mutexes[2] == 0)
        sleep_ms(1);
    CHECK(pthread_mutex_lock(&mutexes[2]) == EOWNERDEAD);
    join(child, 4);
    CHECK(syscall(SYS_get_robust_list, 0, &head, &length) == 0);
    printf("child %d died, list %p of %zu\n", child, head, length);
    return 0;
}
