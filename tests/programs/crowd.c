/* usage: crowd forks N | crowd threads N | crowd waiting N
 * N children one after the other, or N threads at once; `waiting` ones begin when a line comes from stdin. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static pthread_barrier_t all_there;
static int go[2];

static void *work(void *unused) {
    (void)unused;
    pthread_barrier_wait(&all_there);
    syscall(SYS_getppid);
    return NULL;
}

static void *wait_and_work(void *unused) {
    char byte;
    if (read(go[0], &byte, 1) == 1)
        syscall(SYS_getppid);
    return unused;
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
    int waiting = argc > 1 && strcmp(argv[1], "waiting") == 0;
    char *bytes = calloc(count, 1);
    pthread_t *ids = calloc(count, sizeof *ids);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 65536);
    pthread_barrier_init(&all_there, NULL, count);
    if (pipe(go) != 0)
        return 1;
    for (int i = 0; i < count; i++)
        if (pthread_create(&ids[i], &attributes, waiting ? wait_and_work : work, NULL))
            return 1;
    if (waiting && (write(1, "ready\n", 6) != 6 || read(0, bytes, 1) != 1 || write(go[1], bytes, count) != count))
        return 1;
    for (int i = 0; i < count; i++)
        pthread_join(ids[i], NULL);
    return 0;
}
