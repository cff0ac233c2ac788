/* usage: crowd forks N | crowd threads N - N children one after the other, or N threads at once. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static pthread_barrier_t all_there;

static void *work(void *unused) {
    (void)unused;
    pthread_barrier_wait(&all_there);
    syscall(SYS_getppid);
    return NULL;
}

int main(int argc, char **argv) {
    int count = argc > 2 ? atoi(argv[2]) : 0;

    if (argc > 1 && strcmp(argv[1], "forks") == 0) {
        for (int i = 0; i < count; i++) {
            pid_t child = fork();
            if (child < 0)
                return 1;
            if (child == 0) {
                syscall(SYS_getppid);
                _exit(0);
            }
            waitpid(child, NULL, 0);
        }
        return 0;
    }
    pthread_t *ids = calloc(count, sizeof *ids);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 65536);
    pthread_barrier_init(&all_there, NULL, count);
    for (int i = 0; i < count; i++)
        if (pthread_create(&ids[i], &attributes, work, NULL))
            return 1;
    for (int i = 0; i < count; i++)
        pthread_join(ids[i], NULL);
    return 0;
}
