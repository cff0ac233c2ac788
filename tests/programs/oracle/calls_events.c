/* Cases of the memory oracle: events. */
#include "calls.h"

#ifdef __x86_64__
CASE(select) {
    int e[2];
    pair(e, SOCK_STREAM);
    write(e[0], "a", 1);
    fd_set *r = slot(), *w = slot(), *x = slot();
    FD_ZERO(r);
    FD_ZERO(w);
    FD_ZERO(x);
    FD_SET(e[1], r);
    FD_SET(e[0], w);
    struct timeval *t = slot();
    *t = (struct timeval){1, 5};
    CALL(select, e[1] + 1, r, w, x, t);
}
CASE(poll) {
    int e[2];
    pair(e, SOCK_STREAM);
    write(e[0], "a", 1);
    struct pollfd *p = slot();
    p[0] = (struct pollfd){e[0], POLLIN, 0x5a5a};
    p[1] = (struct pollfd){e[1], POLLIN, 0x5a5a};
    CALL(poll, p, 2, 0);
}
CASE(epoll_wait) {
    int e[2], q = epoll_create1(0);
    pair(e, SOCK_STREAM);
    write(e[0], "a", 1);
    struct epoll_event v = {EPOLLIN, {.u64 = 7}};
    epoll_ctl(q, EPOLL_CTL_ADD, e[1], &v);
    CALL(epoll_wait, q, slot(), 8, 0);
}
#endif
CASE(ppoll) {
    int e[2];
    pair(e, SOCK_STREAM);
    struct pollfd *p = slot();
    p[0] = (struct pollfd){e[0], POLLOUT, 0x5a5a};
    struct timespec *t = slot();
    *t = (struct timespec){1, 5};
    CALL(ppoll, p, 1, t, 0, 8);
}
CASE(ppoll_timeout) {
    struct timespec *t = slot();
    *t = (struct timespec){0, 1000};
    CALL(ppoll, 0, 0, t, 0, 8);
}
CASE(pselect6) {
    int e[2];
    pair(e, SOCK_STREAM);
    fd_set *w = slot();
    FD_ZERO(w);
    FD_SET(e[0], w);
    struct timespec *t = slot();
    *t = (struct timespec){1, 5};
    CALL(pselect6, e[1] + 1, 0, w, 0, t, 0);
}
CASE(epoll_pwait) {
    int e[2], q = epoll_create1(0);
    pair(e, SOCK_STREAM);
    write(e[0], "a", 1);
    struct epoll_event v = {EPOLLIN, {.u64 = 7}};
    epoll_ctl(q, EPOLL_CTL_ADD, e[1], &v);
    CALL(epoll_pwait, q, slot(), 8, 0, 0, 8);
}
CASE(epoll_pwait2) {
    int e[2], q = epoll_create1(0);
    pair(e, SOCK_STREAM);
    write(e[0], "a", 1);
    struct timespec t = {0, 0};
    struct epoll_event v = {EPOLLIN, {.u64 = 7}};
    epoll_ctl(q, EPOLL_CTL_ADD, e[1], &v);
    CALL(epoll_pwait2, q, slot(), 8, &t, 0, 8);
}
CASE(eventfd_read) {
    CALL(read, eventfd(5, 0), slot(), 4096);
}
CASE(inotify_read) {
    int i = inotify_init1(IN_NONBLOCK);
    inotify_add_watch(i, "/etc", IN_OPEN | IN_ACCESS);
    close(open("/etc/passwd", O_RDONLY));
    CALL(read, i, slot(), 4096);
}
CASE(signalfd_read) {
    sigset_t s;
    sigemptyset(&s);
    sigaddset(&s, SIGUSR1);
    sigprocmask(SIG_BLOCK, &s, NULL);
    raise(SIGUSR1);
    CALL(read, signalfd(-1, &s, 0), slot(), 4096);
}
CASE(epoll_ctl) {
    int e[2], q = epoll_create1(0);
    pair(e, SOCK_STREAM);
    struct epoll_event *v = slot();
    v->events = EPOLLIN;
    CALL(epoll_ctl, q, EPOLL_CTL_ADD, e[0], v);
}
