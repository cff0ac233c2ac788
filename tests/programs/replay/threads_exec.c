/* exit: 21 */
/* A thread that is not the first executes a program: all others vanish and it takes the process's number. */
#include "check.h"

#include <pthread.h>

static volatile uint64_t counter;
static char *name;

static void *busy(void *unused) {
    while (!unused)
        counter++;
    return NULL;
}

static void *asleep(void *unused) {
    for (;;)
        pause();
    return unused;
}

static void *execute(void *unused) {
    char number[20];

    snprintf(number, sizeof number, "%d", getpid());
    printf("thread %d of %d executes\n", gettid(), getpid());
    execl("/proc/self/exe", name, number, NULL);
    return unused;
}

int main(int argc, char **argv) {
    pthread_t id;

    if (argc == 2) {
        CHECK(atoi(argv[1]) == getpid() && gettid() == getpid() && counter == 0);
        printf("now %d\n", gettid());
        return 21;
    }
    name = argv[0];
    CHECK(pthread_create(&id, NULL, busy, NULL) == 0 && pthread_create(&id, NULL, asleep, NULL) == 0);
    sleep_ms(2);
    CHECK(pthread_create(&id, NULL, execute, NULL) == 0);
    for (;;)
        pause();
}
