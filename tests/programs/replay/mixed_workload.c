/* exit: 0 */
/* Everything at once: processes of threads, timers, pipes, shared memory and signals, with work in between. */
#include "check.h"

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>

enum { processes = 3, threads = 3 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static volatile sig_atomic_t alarms;
static uint64_t order;
static uint64_t *shared;
static int ends[2];

static void on_alarm(int number) {
    (void)number;
    alarms++;
}

static void *work(void *argument) {
    uint64_t state = random_word();

    for (int i = 0; i < 200; i++) {
        for (int k = 0; k < 500; k++)
            state = state * 6364136223846793005u + 1442695040888963407u;
        pthread_mutex_lock(&mutex);
        order = order * 31 + (uintptr_t)argument;
        pthread_mutex_unlock(&mutex);
        __atomic_fetch_add(shared, state & 0xff, __ATOMIC_SEQ_CST);
        if (i % 50 == 0)
            CHECK(write(ends[1], &state, sizeof state) == sizeof state);
        free(malloc(state >> 48));
    }
    return NULL;
}

static void run(void) {
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    struct itimerval timer = {{0, 2000}, {0, 2000}};
    pthread_t ids[threads];

    CHECK(sigaction(SIGALRM, &action, NULL) == 0 && setitimer(ITIMER_REAL, &timer, NULL) == 0);
    for (uintptr_t i = 0; i < threads; i++)
        CHECK(pthread_create(&ids[i], NULL, work, (void *)i) == 0);
    for (int i = 0; i < threads; i++)
        CHECK(pthread_join(ids[i], NULL) == 0);
    printf("%d: %016llx, %s\n", getpid(), (unsigned long long)order, alarms ? "alarms" : "no alarm");
    _exit(0);
}

int main(void) {
    pid_t pids[processes];
    uint64_t sum = 0, word;

    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shared != MAP_FAILED && pipe(ends) == 0);
    for (int i = 0; i < processes; i++)
        if ((pids[i] = fork()) == 0)
            run();
    for (int i = 0; i < processes * threads * 4; i++) {
        CHECK(read(ends[0], &word, sizeof word) == sizeof word);
        sum = sum * 31 + word;
    }
    for (int i = 0; i < processes; i++)
        join(pids[i], 0);
    printf("%016llx, %llu\n", (unsigned long long)sum, (unsigned long long)*shared);
    return 0;
}
