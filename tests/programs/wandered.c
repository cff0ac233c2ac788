/* Two threads that take turns wherever the scheduler likes, a timer's signals, and a child process, for walks at random
 * through its replay. */
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef TURNS
#define TURNS 300
#endif
#ifndef SPINS
#define SPINS 20000
#endif
#ifndef ALARM_US /* a machine that takes longer for a signal comes to nothing else */
#define ALARM_US 3000
#endif

long total;             /* of both, under the mutex */
volatile long alone[3]; /* of each of the three: no lock, no call */
volatile int alarms;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

void bump(long who) {
    total += who;
}

void alarmed(int signal) {
    alarms++;
}

static void *work(void *who) {
    for (int turn = 0; turn < TURNS; turn++) {
        for (int i = 0; i < SPINS; i++)
            alone[(long)who]++;
        pthread_mutex_lock(&mutex);
        bump((long)who);
        pthread_mutex_unlock(&mutex);
        if (turn % 64 == 0)
            getppid();
    }
    return 0;
}

int main(void) {
    struct itimerval often = {{0, ALARM_US}, {0, ALARM_US}}, never = {{0, 0}, {0, 0}};
    pthread_t threads[2];
    struct sigaction action = {.sa_handler = alarmed, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &action, 0);
    setitimer(ITIMER_REAL, &often, 0);
    for (long i = 0; i < 2; i++)
        pthread_create(&threads[i], 0, work, (void *)(i + 1));
    pid_t child = fork();
    if (child == 0) {
        work((void *)0);
        _exit(3);
    }
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], 0);
    while (waitpid(child, 0, 0) != child) {
    }
    setitimer(ITIMER_REAL, &never, 0);
    return total != 3 * TURNS;
}
