/*
 * A little of everything, with numbers that a test can count: files, a pipe, processes, threads, a signal, an exec.
 * usage: sample FILE - exits with 7.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { size = 1 << 20, calls = 20000, threads = 4, calls_of_thread = 500 };

static volatile sig_atomic_t signals;

static void on_signal(int number) {
    (void)number;
    signals++;
}

static void *work(void *unused) {
    (void)unused;
    for (int i = 0; i < calls_of_thread; i++)
        syscall(SYS_getpgid, 0);
    return NULL;
}

int main(int argc, char **argv) {
    if (argc < 2) /* the process that the exec below made */
        return 3;
    for (int i = 0; i < calls; i++)
        syscall(SYS_getppid);

    /* byte i of the file is i * 7 + i / 251, so that a test can make it again */
    unsigned char *data = malloc(size);
    for (int i = 0; i < size; i++)
        data[i] = (unsigned char)(i * 7 + i / 251);
    int file = open(argv[1], O_CREAT | O_TRUNC | O_RDWR, 0600);
    if (write(file, data, size) != size || lseek(file, 0, SEEK_SET) != 0)
        return 1;
    memset(data, 0, size);
    if (read(file, data, size) != size)
        return 1;
    close(file);
    open("/does/not/exist", O_RDONLY);

    int ends[2], status;
    if (pipe(ends))
        return 1;
    pid_t child = fork();
    if (child == 0) {
        if (write(ends[1], "from the child", 14) != 14)
            _exit(1);
        execl(argv[0], "sample-again", NULL);
        _exit(1);
    }
    char text[64];
    if (read(ends[0], text, sizeof text) != 14 || waitpid(child, &status, 0) != child || WEXITSTATUS(status) != 3)
        return 1;

    pthread_t ids[threads];
    for (int i = 0; i < threads; i++)
        if (pthread_create(&ids[i], NULL, work, NULL))
            return 1;
    for (int i = 0; i < threads; i++)
        pthread_join(ids[i], NULL);

    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGUSR1, &action, NULL);
    for (int i = 0; i < 3; i++)
        raise(SIGUSR1);
    return signals == 3 ? 7 : 1;
}
