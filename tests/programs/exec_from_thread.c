/* A thread that is not the main one calls exec while others run; the new image exits with 9. */
#include <pthread.h>
#include <unistd.h>

static void *spin(void *unused) {
    (void)unused;
    for (;;)
        getppid();
    return NULL;
}

static void *replace(void *unused) {
    (void)unused;
    usleep(20000);
    execl("/bin/sh", "sh", "-c", "exit 9", (char *)NULL);
    return NULL;
}

int main(void) {
    pthread_t threads[3];

    pthread_create(&threads[0], NULL, spin, NULL);
    pthread_create(&threads[1], NULL, spin, NULL);
    pthread_create(&threads[2], NULL, replace, NULL);
    for (;;)
        pause();
}
