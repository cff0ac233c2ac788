/* exit: 0 */
/* Threads vfork and execute programs while others compute and change memory. */
#include "check.h"

#include <pthread.h>

static volatile int stop;
static volatile uint64_t counter;
static char *name;

static void *compute(void *unused) {
    while (!stop)
        counter++;
    return unused;
}

static void *start(void *argument) {
    for (int i = 0; i < 5; i++) {
        pid_t child = vfork();
        if (child == 0) {
            execl("/proc/self/exe", name, "again", NULL);
            _exit(1);
        }
        join(child, 8);
        printf("%d: child %d\n", (int)(intptr_t)argument, child);
    }
    return NULL;
}

int main(int argc, char **argv) {
    pthread_t ids[3];

    name = argv[0];
    if (argc == 2)
        return 8;
    for (intptr_t i = 0; i < 3; i++)
        CHECK(pthread_create(&ids[i], NULL, i ? start : compute, (void *)i) == 0);
    CHECK(pthread_join(ids[1], NULL) == 0 && pthread_join(ids[2], NULL) == 0);
    stop = 1;
    CHECK(pthread_join(ids[0], NULL) == 0);
    return 0;
}
