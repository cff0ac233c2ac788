/* exit: 0 */
/* A child of several threads is stopped and continued while they compute, call and wait. */
#include "check.h"

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>

static volatile uint64_t *shared;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void *work(void *argument) {
    intptr_t index = (intptr_t)argument;

    while (!shared[7]) {
        if (index == 1)
            getppid();
        else if (index == 2)
            sleep_ms(1);
        pthread_mutex_lock(&mutex);
        shared[index]++;
        pthread_mutex_unlock(&mutex);
    }
    return NULL;
}

int main(void) {
    pthread_t ids[3];
    int status;

    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t child = fork();
    if (child == 0) {
        for (intptr_t i = 0; i < 3; i++)
            CHECK(pthread_create(&ids[i], NULL, work, (void *)i) == 0);
        for (int i = 0; i < 3; i++)
            CHECK(pthread_join(ids[i], NULL) == 0);
        _exit(5);
    }
    for (int i = 0; i < 5; i++) {
        sleep_ms(1);
        CHECK(kill(child, SIGSTOP) == 0 && waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
        uint64_t before[3] = {shared[0], shared[1], shared[2]};
        sleep_ms(1);
        for (int k = 0; k < 3; k++)
            CHECK(shared[k] == before[k]);
        printf("stopped at %llu %llu %llu\n", (unsigned long long)before[0], (unsigned long long)before[1],
               (unsigned long long)before[2]);
        CHECK(kill(child, SIGCONT) == 0);
    }
    shared[7] = 1;
    join(child, 5);
    return 0;
}
