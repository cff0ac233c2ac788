/* exit: 9 */
/* Threads and the first thread that leave by the exit call itself: the last of them gives the status. */
#include "check.h"

#include <pthread.h>
#include <sys/syscall.h>

static void *work(void *unused) {
    char path[64], text[200];

    /* until the first thread is a zombie */
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", getpid());
    for (;;) {
        FILE *file = fopen(path, "r");
        CHECK(file && fgets(text, sizeof text, file));
        fclose(file);
        if (strstr(text, ") Z "))
            break;
        sleep_ms(1);
    }
    printf("thread %d remains of %d\n", gettid(), getpid());
    syscall(SYS_exit_group, 9);
    return unused;
}

int main(void) {
    pthread_t id;

    CHECK(pthread_create(&id, NULL, work, NULL) == 0);
    printf("first thread leaves\n");
    syscall(SYS_exit, 5);
    return 1;
}
