/* exit: 0 */
/* What signalfd does: signals read like data, alone, several at once, and through poll. */
#include "check.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>

int main(void) {
    struct signalfd_siginfo infos[4];
    sigset_t mask;

    sigemptyset(&mask);
    sigaddset(&mask, SIGRTMIN);
    sigaddset(&mask, SIGCHLD);
    CHECK(sigprocmask(SIG_BLOCK, &mask, NULL) == 0);
    int file = signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC);
    CHECK(file >= 0 && read(file, infos, sizeof infos) == -1 && errno == EAGAIN);
    uint64_t word = random_word();
    for (int i = 0; i < 2; i++)
        CHECK(sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_ptr = (void *)(word + i)}) == 0);
    CHECK(read(file, infos, sizeof infos) == 2 * sizeof infos[0]);
    CHECK(infos[0].ssi_ptr == word && infos[1].ssi_ptr == word + 1 && infos[1].ssi_pid == (unsigned)getpid());
    printf("%llx %llx\n", (unsigned long long)infos[0].ssi_ptr, (unsigned long long)infos[1].ssi_ptr);
    pid_t child = fork();
    if (child == 0)
        _exit(9);
    struct pollfd polled = {file, POLLIN, 0};
    CHECK(poll(&polled, 1, -1) == 1 && polled.revents == POLLIN);
    CHECK(read(file, infos, sizeof infos) == sizeof infos[0] && infos[0].ssi_signo == SIGCHLD);
    printf("child %u of user %u: %d, times %llu %llu\n", infos[0].ssi_pid, infos[0].ssi_uid, infos[0].ssi_status,
           (unsigned long long)infos[0].ssi_utime, (unsigned long long)infos[0].ssi_stime);
    CHECK(infos[0].ssi_pid == (unsigned)child && infos[0].ssi_status == 9);
    join(child, 9);
    return 0;
}
