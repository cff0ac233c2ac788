/* exit: 0 */
/* pidfd_open, pidfd_send_signal, pidfd_getfd, polling a pidfd, process_madvise and kcmp. */
#include "check.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>

int main(void) {
    uint64_t word = random_word(), got;
    int ends[2];
    char byte;

    CHECK(pipe(ends) == 0);
    pid_t child = fork();
    if (child == 0) {
        CHECK(dup2(memfd_create("theirs", 0), 50) == 50 && write(50, &word, sizeof word) == 8);
        CHECK(write(ends[1], "x", 1) == 1);
        for (;;)
            pause();
    }
    CHECK(read(ends[0], &byte, 1) == 1);
    int fd = (int)syscall(SYS_pidfd_open, child, 0);
    if (absent(fd, "pidfd_open")) {
        CHECK(kill(child, SIGKILL) == 0 && WIFSIGNALED(status_of(child)));
        return 0;
    }
    CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC);
    int theirs = (int)syscall(SYS_pidfd_getfd, fd, 50, 0);
    if (!absent(theirs, "pidfd_getfd")) {
        CHECK(pread(theirs, &got, sizeof got, 0) == 8 && got == word);
        printf("descriptor %d: %016llx\n", theirs, (unsigned long long)got);
    }
    int same = (int)syscall(SYS_kcmp, getpid(), child, 0 /* KCMP_FILE */, ends[0], ends[0]);
    printf("same file: %d\n", same);
    CHECK(same == 0 || absent(same, "kcmp"));
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ssize_t advised = syscall(SYS_process_madvise, fd, &(struct iovec){page, 4096}, 1, MADV_COLD, 0);
    printf("advised %zd\n", advised);
    struct pollfd polled = {fd, POLLIN, 0};
    CHECK(poll(&polled, 1, 0) == 0 && syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0) == 0);
    siginfo_t info = {.si_signo = SIGTERM, .si_code = SI_QUEUE};
    CHECK(syscall(SYS_pidfd_send_signal, fd, SIGTERM, &info, 0) == 0);
    CHECK(poll(&polled, 1, -1) == 1 && polled.revents & POLLIN);
    CHECK(WTERMSIG(status_of(child)) == SIGTERM);
    CHECK(syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0) == -1 && errno == ESRCH);
    CHECK(syscall(SYS_pidfd_open, 0x3fffffff, 0) == -1 && errno == ESRCH);
    printf("%d ended\n", child);
    return 0;
}
