/* exit: 0 */
/* A child of several threads, some computing and some waiting, is killed from outside. */
#include "check.h"

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>

static volatile uint64_t *shared;

static void *work(void *argument) {
    intptr_t index = (intptr_t)argument;

    for (;;) {
        shared[index]++;
        if (index == 0)
            pause();
        else if (index == 1)
            getppid();
    }
    return NULL;
}

int main(void) {
    static const int numbers[] = {SIGKILL, SIGTERM, SIGSEGV};
    pthread_t id;

    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (size_t i = 0; i < COUNT(numbers); i++) {
        for (int k = 0; k < 4; k++)
            shared[k] = 0;
        pid_t child = fork();
        if (child == 0) {
            for (intptr_t k = 1; k < 4; k++)
                CHECK(pthread_create(&id, NULL, work, (void *)k) == 0);
            work((void *)0);
        }
        for (int k = 0; k < 4; k++)
            while (shared[k] == 0)
                sleep_ms(1);
        CHECK(kill(child, numbers[i]) == 0 && WTERMSIG(status_of(child)) == numbers[i]);
        printf("%d: %llu %llu %llu\n", child, (unsigned long long)shared[1], (unsigned long long)shared[2],
               (unsigned long long)shared[3]);
    }
    return 0;
}
