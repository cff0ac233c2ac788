/* exit: 0 */
/* A parent reads and writes its child's memory through /proc, and the child acts on it. */
#include "check.h"

#include <fcntl.h>
#include <signal.h>

static volatile uint64_t secret, told;

int main(void) {
    char path[64], byte;
    uint64_t got;
    int ends[2];

    CHECK(pipe(ends) == 0);
    pid_t child = fork();
    if (child == 0) {
        secret = random_word() | 1;
        CHECK(write(ends[1], "x", 1) == 1);
        while (!told)
            usleep(500);
        printf("child was told %016llx\n", (unsigned long long)told);
        _exit(told == ~secret ? 4 : 1);
    }
    CHECK(read(ends[0], &byte, 1) == 1);
    snprintf(path, sizeof path, "/proc/%d/mem", child);
    int file = open(path, O_RDWR);
    if (absent(file, path)) {
        CHECK(kill(child, SIGKILL) == 0 && WIFSIGNALED(status_of(child)));
        return 0;
    }
    CHECK(pread(file, &got, sizeof got, (off_t)(uintptr_t)&secret) == 8 && got);
    printf("secret %016llx\n", (unsigned long long)got);
    got = ~got;
    CHECK(pwrite(file, &got, sizeof got, (off_t)(uintptr_t)&told) == 8);
    join(child, 4);
    CHECK(pread(file, &got, sizeof got, (off_t)(uintptr_t)&secret) <= 0);
    return 0;
}
