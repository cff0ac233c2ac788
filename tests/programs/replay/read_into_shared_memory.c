/* exit: 0 */
/* The kernel writes a call's result into memory that another process watches. */
#include "check.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/socket.h>

struct shared {
    uint64_t words[8];
    struct timespec time;
    struct pollfd polled;
    volatile int step;
};

static void await(struct shared *shared, int step) {
    while (__atomic_load_n(&shared->step, __ATOMIC_ACQUIRE) != step)
        sched_yield();
}

static void advance(struct shared *shared, int step) {
    __atomic_store_n(&shared->step, step, __ATOMIC_RELEASE);
}

int main(void) {
    struct shared *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int ends[2];

    CHECK(shared != MAP_FAILED && socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    int file = open("data", O_CREAT | O_RDWR, 0600);
    pid_t child = fork();
    if (child == 0) {
        for (int step = 1; step <= 4; step++) {
            await(shared, 2 * step - 1);
            printf("%d sees %016llx, %lld.%09ld, %d\n", getpid(), (unsigned long long)hash_of(shared->words, 64),
                   (long long)shared->time.tv_sec, shared->time.tv_nsec, shared->polled.revents);
            advance(shared, 2 * step);
        }
        _exit(6);
    }
    for (int step = 1; step <= 4; step++) {
        uint64_t word = random_word();
        if (step == 1)
            fill_random(shared->words, sizeof shared->words);
        else if (step == 2)
            CHECK(pwrite(file, &word, 8, 0) == 8 && pread(file, &shared->words[3], 8, 0) == 8 &&
                  shared->words[3] == word);
        else if (step == 3)
            CHECK(clock_gettime(CLOCK_REALTIME, &shared->time) == 0 && send(ends[1], &word, 8, 0) == 8 &&
                  recv(ends[0], &shared->words[5], 8, 0) == 8);
        else {
            shared->polled = (struct pollfd){ends[0], POLLOUT, 0};
            CHECK(poll(&shared->polled, 1, 0) == 1);
        }
        advance(shared, 2 * step - 1);
        await(shared, 2 * step);
    }
    join(child, 6);
    printf("%016llx\n", (unsigned long long)hash_of(shared->words, 64));
    return 0;
}
