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

CASE(eventfd2) {
    int e = CALL(eventfd2, 3, EFD_NONBLOCK);
    CALL(read, e, slot(), 8);
    FAILS(read, e, slot(), 8);
#ifdef SYS_eventfd
    CALL(eventfd, 3);
#endif
}
CASE(epoll_create) {
    int q = CALL(epoll_create1, EPOLL_CLOEXEC);
    CALL(epoll_pwait, q, slot(), 8, 1, 0, 8);
    CALL(epoll_pwait2, q, slot(), 8, SLOT_OF(struct timespec, {0, 1000}), 0, 8);
    FAILS(epoll_pwait, q, slot(), 0, 1, 0, 8);
    FAILS(epoll_ctl, q, EPOLL_CTL_DEL, 1, slot());
    TRY(ioctl, q, 0x80088a02, slot()); /* EPIOCGPARAMS */
#ifdef SYS_epoll_create
    CALL(epoll_create, 5);
    FAILS(epoll_ctl_old);
    FAILS(epoll_wait_old);
#endif
}
CASE(epoll_interrupted) {
    int q = epoll_create1(0);
    interrupt_soon();
    FAILS(epoll_pwait, q, slot(), 8, -1, 0, 8);
    interrupt_soon();
    FAILS(epoll_pwait2, q, slot(), 8, SLOT_OF(struct timespec, {5, 0}), 0, 8);
}
CASE(poll_interrupted) {
    int e[2];
    pair(e, SOCK_STREAM);
    struct pollfd *p = SLOT_OF(struct pollfd, {e[0], POLLIN, 0x5a5a});
    interrupt_soon();
    FAILS(ppoll, p, 1, SLOT_OF(struct timespec, {5, 0}), 0, 8);
    fd_set *r = slot();
    FD_ZERO(r);
    FD_SET(e[0], r);
    interrupt_soon();
    FAILS(pselect6, e[0] + 1, r, NULL, NULL, SLOT_OF(struct timespec, {5, 0}), NULL);
    FAILS(ppoll, p, 1, SLOT_OF(struct timespec, {5, -1}), 0, 8);
    FAILS(pselect6, e[0] + 1, r, NULL, NULL, SLOT_OF(struct timespec, {5, -1}), NULL);
#ifdef __x86_64__
    interrupt_soon();
    FAILS(poll, p, 1, 5000);
    interrupt_soon();
    FAILS(select, e[0] + 1, r, NULL, NULL, SLOT_OF(struct timeval, {5, 0}));
#endif
}
CASE(poll_times_out) {
    int e[2];
    pair(e, SOCK_STREAM);
    fd_set *r = slot(), *w = slot(), *x = slot();
    FD_ZERO(r);
    FD_SET(e[0], r);
    CALL(ppoll, SLOT_OF(struct pollfd, {e[0], POLLIN, 0x5a5a}), 1, SLOT_OF(struct timespec, {0, 1000}), 0, 8);
    CALL(pselect6, e[0] + 1, r, NULL, NULL, SLOT_OF(struct timespec, {0, 1000}), NULL);
    memset(r, 0xff, 128);
    FAILS(pselect6, 900, r, w, x, SLOT_OF(struct timespec, {0, 1000}), NULL);
    FAILS(pselect6, -1, r, w, x, SLOT_OF(struct timespec, {0, 1000}), NULL);
    /* More bits than descriptors there can be: the kernel looks at no more than that. */
    FD_ZERO(r);
    CALL(pselect6, 100000, r, NULL, NULL, SLOT_OF(struct timespec, {0, 1000}), NULL);
}
CASE(inotify) {
    int i = CALL(inotify_init1, IN_NONBLOCK);
    int w = CALL(inotify_add_watch, i, "/etc", IN_OPEN);
    close(open("/etc/passwd", O_RDONLY));
    CALL(ioctl, i, FIONREAD, slot());
    FAILS(read, i, slot(), 10);
    CALL(inotify_rm_watch, i, w);
    CALL(read, i, slot(), 4096);
    FAILS(read, i, slot(), 4096);
#ifdef SYS_inotify_init
    CALL(inotify_init);
#endif
}
CASE(fanotify) {
    int f = CALL(fanotify_init, FAN_CLASS_NOTIF | FAN_NONBLOCK, O_RDONLY);
    char name[64];
    strcpy(name, named_file());
    CALL(fanotify_mark, f, FAN_MARK_ADD, FAN_OPEN, AT_FDCWD, name);
    close(open(name, O_RDONLY));
    CALL(read, f, slot(), 4096);
}
