/* exit: 0 */
/* pselect, ppoll and epoll_pwait with a mask: the signal comes only while they wait, and ends the wait. */
#include "check.h"

#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>

static volatile sig_atomic_t count;

static void on_signal(int number) {
    (void)number;
    count++;
}

int main(void) {
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    struct timespec wait = {10, 0};
    struct epoll_event event;
    sigset_t mask, none;
    fd_set set;
    int ends[2];

    sigemptyset(&none);
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    CHECK(pipe(ends) == 0 && sigaction(SIGUSR1, &action, NULL) == 0 && sigprocmask(SIG_BLOCK, &mask, NULL) == 0);
    CHECK(raise(SIGUSR1) == 0 && count == 0);
    FD_ZERO(&set);
    FD_SET(ends[0], &set);
    CHECK(pselect(ends[0] + 1, &set, NULL, NULL, &wait, &none) == -1 && errno == EINTR && count == 1);
    struct pollfd polled = {ends[0], POLLIN, 0};
    CHECK(raise(SIGUSR1) == 0 && ppoll(&polled, 1, &wait, &none) == -1 && errno == EINTR && count == 2);
    int epoll = epoll_create1(0);
    CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &(struct epoll_event){.events = EPOLLIN}) == 0);
    CHECK(raise(SIGUSR1) == 0 && epoll_pwait(epoll, &event, 1, 10000, &none) == -1 && errno == EINTR && count == 3);
    CHECK(sigprocmask(SIG_UNBLOCK, &mask, NULL) == 0 && count == 3);
    printf("%d signals by %lld\n", count, (long long)now_ns());
    return 0;
}
