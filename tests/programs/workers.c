/* Threads with names that share a sum, and a child process: for the tests of the Python API of replays. */
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

long sum;
static pthread_barrier_t all;

static void work_on(long number) {
    __atomic_add_fetch(&sum, number, __ATOMIC_SEQ_CST);
    pthread_barrier_wait(&all);
}

static void *work(void *number) {
    pthread_setname_np(pthread_self(), number == (void *)1 ? "first" : "second");
    work_on((long)number);
    return 0;
}

int in_child(void) {
    sum = 77;
    return 5;
}

int main(void) {
    pthread_t threads[2];
    pthread_barrier_init(&all, 0, 3);
    for (long i = 0; i < 2; i++)
        pthread_create(&threads[i], 0, work, (void *)(i + 1));
    work_on(10);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], 0);
    pid_t child = fork();
    if (child == 0)
        _exit(in_child());
    waitpid(child, 0, 0);
    return (int)sum;
}
