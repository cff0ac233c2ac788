// Threads of which one spins until another, and then the main thread, has done something; and what a program is told
// of the CPUs and of calls that are refused. Prints sum, CPUs, io_uring_setup's and rseq's errno, policy, and the
// result of setting its CPU.
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

static volatile int flag;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static long sum;

static void *spin(void *argument) {
    while (!flag) {
    }
    return argument;
}

static void *set(void *argument) {
    flag = 1;
    return argument;
}

static void *add(void *argument) {
    for (int i = 0; i < 1000; i++) {
        pthread_mutex_lock(&mutex);
        sum++;
        pthread_mutex_unlock(&mutex);
    }
    return argument;
}

static int error_of(long number) {
    errno = 0;
    return syscall(number, 0, 0, 0, 0) == -1 ? errno : 0;
}

int main(void) {
    void *(*work[])(void *) = {spin, set, add, add};
    pthread_t threads[4];
    cpu_set_t cpus, one;
    int set_one;

    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, work[i], NULL);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    CPU_ZERO(&one);
    CPU_SET(0, &one);
    sched_getaffinity(0, sizeof cpus, &cpus);
    set_one = sched_setaffinity(0, sizeof one, &one);
    printf("%ld %d %d %d %d %d\n", sum, CPU_COUNT(&cpus), error_of(SYS_io_uring_setup), error_of(SYS_rseq),
           sched_getscheduler(0), set_one);
    return 0;
}
