/* exit: 0 */
/* Calls that wait and that a signal without SA_RESTART ends: each fails with EINTR. */
#include "check.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>

static volatile sig_atomic_t count;

static void on_alarm(int number) {
    (void)number;
    count++;
}

#define INTERRUPTED(call)                                                                                              \
    do {                                                                                                               \
        CHECK((call) == -1 && errno == EINTR);                                                                         \
        printf("%s\n", #call);                                                                                         \
    } while (0)

int main(void) {
    struct sigaction action = {.sa_handler = on_alarm};
    /* again and again, in case one comes between two calls */
    struct itimerval timer = {{0, 3000}, {0, 3000}};
    struct timeval wait = {5, 0};
    struct epoll_event event;
    int ends[2], sockets[2];
    char byte;
    sem_t semaphore;
    fd_set set;

    CHECK(sigaction(SIGALRM, &action, NULL) == 0);
    CHECK(pipe(ends) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0 && sem_init(&semaphore, 0, 0) == 0);
    int listener = socket(AF_INET, SOCK_STREAM, 0), epoll = epoll_create1(0);
    CHECK(listen(listener, 1) == 0 && fcntl(ends[1], F_SETPIPE_SZ, 4096) >= 4096);
    pid_t child = fork();
    if (child == 0)
        for (;;)
            pause();
    CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
    FD_ZERO(&set);
    FD_SET(ends[0], &set);
    struct pollfd polled = {ends[0], POLLIN, 0};
    INTERRUPTED(read(ends[0], &byte, 1));
    INTERRUPTED(recv(sockets[0], &byte, 1, 0));
    INTERRUPTED(accept(listener, NULL, NULL));
    INTERRUPTED(poll(&polled, 1, 5000));
    INTERRUPTED(select(ends[0] + 1, &set, NULL, NULL, &wait));
    printf("%ld.%06ld left\n", wait.tv_sec, (long)wait.tv_usec);
    INTERRUPTED(epoll_wait(epoll, &event, 1, 5000));
    INTERRUPTED(sem_wait(&semaphore));
    INTERRUPTED(waitpid(child, NULL, 0));
    char full[65536] = {0};
    ssize_t some = write(ends[1], full, sizeof full);
    CHECK(some > 0 && some < (ssize_t)sizeof full);
    INTERRUPTED(write(ends[1], &byte, 1));
    CHECK(setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 0}}, NULL) == 0);
    CHECK(kill(child, SIGKILL) == 0 && WIFSIGNALED(status_of(child)));
    printf("%d signals\n", count);
    return 0;
}
