/* exit: 0 */
/* Calls that a stop and a continue interrupt, with no handler: sleep, poll and futex go on by restart blocks. */
#include "check.h"

#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <sys/select.h>
#include <sys/syscall.h>

static void wait_in_calls(void) {
    int word = 5;
    struct timespec wait = {0, 40000000};
    struct timeval span = {0, 40000};
    int64_t start = now_ns(), before;

    CHECK(nanosleep(&wait, NULL) == 0);
    before = start;
    printf("nanosleep %lld\n", (long long)((start = now_ns()) - before));
    CHECK(poll(NULL, 0, 40) == 0);
    before = start;
    printf("poll %lld\n", (long long)((start = now_ns()) - before));
    CHECK(syscall(SYS_futex, &word, FUTEX_WAIT, 5, &wait, NULL, 0) == -1 && errno == ETIMEDOUT);
    before = start;
    printf("futex %lld\n", (long long)((start = now_ns()) - before));
    CHECK(clock_nanosleep(CLOCK_BOOTTIME, 0, &wait, NULL) == 0);
    CHECK(select(0, NULL, NULL, NULL, &span) == 0);
    before = start;
    printf("clock_nanosleep and select %lld\n", (long long)((start = now_ns()) - before));
    _exit(5);
}

int main(void) {
    int status;

    pid_t child = fork();
    if (child == 0)
        wait_in_calls();
    for (;;) {
        sleep_ms(9);
        if (kill(child, SIGSTOP))
            break;
        CHECK(waitpid(child, &status, WUNTRACED) == child);
        if (!WIFSTOPPED(status))
            break;
        CHECK(WSTOPSIG(status) == SIGSTOP && kill(child, SIGCONT) == 0);
    }
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 5);
    printf("child %d\n", child);
    return 0;
}
