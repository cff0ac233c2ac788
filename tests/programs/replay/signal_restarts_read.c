/* exit: 0 */
/* A signal strikes a read that waits: with SA_RESTART it goes on waiting, without it fails with EINTR. */
#include "check.h"

#include <signal.h>

static volatile sig_atomic_t count;

static void on_signal(int number) {
    (void)number;
    count++;
}

int main(void) {
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    int ends[2];
    char text[100];

    CHECK(pipe(ends) == 0 && sigaction(SIGUSR1, &action, NULL) == 0);
    action.sa_flags = 0;
    CHECK(sigaction(SIGUSR2, &action, NULL) == 0);
    pid_t parent = getpid(), child = fork();
    if (child == 0) {
        for (int i = 0; i < 3; i++) {
            sleep_ms(10);
            kill(parent, SIGUSR1);
        }
        sleep_ms(10);
        CHECK(write(ends[1], "first", 5) == 5);
        /* again and again, in case one comes before the second read */
        while (getppid() == parent) {
            sleep_ms(5);
            kill(parent, SIGUSR2);
        }
        _exit(0);
    }
    CHECK(read(ends[0], text, sizeof text) == 5);
    printf("read after %d signals\n", count);
    CHECK(count >= 1);
    CHECK(read(ends[0], text, sizeof text) == -1 && errno == EINTR);
    printf("interrupted at %lld\n", (long long)now_ns());
    CHECK(kill(child, SIGKILL) == 0 && WTERMSIG(status_of(child)) == SIGKILL);
    return 0;
}
