/* Cases of the memory oracle: net. */
#include "calls.h"

CASE(socketpair) {
    CALL(socketpair, AF_UNIX, SOCK_STREAM, 0, slot());
}
CASE(getsockname) {
    struct sockaddr_in a;
    CALL(getsockname, listener(&a), slot(), length_slot(100));
}
CASE(getsockname_short) {
    struct sockaddr_in a;
    CALL(getsockname, listener(&a), slot(), length_slot(5));
}
CASE(getpeername) {
    struct sockaddr_in a;
    int l = listener(&a), c = socket(AF_INET, SOCK_STREAM, 0);
    (void)l;
    connect(c, (void *)&a, sizeof a);
    CALL(getpeername, c, slot(), length_slot(100));
}
CASE(accept) {
    struct sockaddr_in a;
    int l = listener(&a), c = socket(AF_INET, SOCK_STREAM, 0);
    connect(c, (void *)&a, sizeof a);
    CALL(accept, l, slot(), length_slot(100));
}
CASE(accept4) {
    struct sockaddr_in a;
    int l = listener(&a), c = socket(AF_INET, SOCK_STREAM, 0);
    connect(c, (void *)&a, sizeof a);
    CALL(accept4, l, slot(), length_slot(3), SOCK_CLOEXEC);
}
CASE(getsockopt) {
    CALL(getsockopt, socket(AF_INET, SOCK_STREAM, 0), SOL_SOCKET, SO_SNDBUF, slot(), length_slot(100));
}
CASE(getsockopt_short) {
    CALL(getsockopt, socket(AF_INET, SOCK_STREAM, 0), SOL_SOCKET, SO_SNDBUF, slot(), length_slot(1));
}
CASE(getsockopt_linger) {
    CALL(getsockopt, socket(AF_INET, SOCK_STREAM, 0), SOL_SOCKET, SO_LINGER, slot(), length_slot(100));
}
CASE(getsockopt_tcp_info) {
    CALL(getsockopt, socket(AF_INET, SOCK_STREAM, 0), IPPROTO_TCP, TCP_INFO, slot(), length_slot(300));
}
CASE(getsockopt_peercred) {
    int e[2];
    pair(e, SOCK_STREAM);
    CALL(getsockopt, e[0], SOL_SOCKET, SO_PEERCRED, slot(), length_slot(100));
}
CASE(getsockopt_bad) {
    FAILS(getsockopt, socket(AF_INET, SOCK_STREAM, 0), SOL_SOCKET, 9999, slot(), length_slot(100));
}
static int datagram(struct sockaddr_in *to) {
    int a = socket(AF_INET, SOCK_DGRAM, 0), b = socket(AF_INET, SOCK_DGRAM, 0);
    socklen_t length = sizeof *to;
    *to = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    if (bind(a, (void *)to, length) || getsockname(a, (void *)to, &length))
        exit(1);
    for (int i = 0; i < 3; i++)
        sendto(b, "datagram of some length", 10 + 4 * i, 0, (void *)to, sizeof *to);
    return a;
}
CASE(recvfrom) {
    struct sockaddr_in t;
    CALL(recvfrom, datagram(&t), slot(), 1000, 0, slot(), length_slot(100));
}
CASE(recvfrom_trunc) {
    struct sockaddr_in t;
    CALL(recvfrom, datagram(&t), slot(), 4, MSG_TRUNC, slot(), length_slot(6));
}
CASE(recvfrom_stream) {
    int e[2];
    pair(e, SOCK_STREAM);
    write(e[0], "abc", 3);
    CALL(recvfrom, e[1], slot(), 1000, 0, slot(), length_slot(100));
}
static struct msghdr *message(int count, size_t each, size_t name, size_t control) {
    struct msghdr *m = slot();
    m->msg_name = slot(), m->msg_namelen = name, m->msg_iov = iovecs(count, each), m->msg_iovlen = count;
    m->msg_control = slot(), m->msg_controllen = control, m->msg_flags = 0x5a5a;
    return m;
}
CASE(recvmsg) {
    struct sockaddr_in t;
    CALL(recvmsg, datagram(&t), message(2, 6, 100, 100), 0);
}
CASE(recvmsg_trunc) {
    struct sockaddr_in t;
    CALL(recvmsg, datagram(&t), message(1, 3, 7, 0), MSG_TRUNC);
}
CASE(recvmsg_timestamp) {
    struct sockaddr_in t;
    int d = socket(AF_INET, SOCK_DGRAM, 0), on = 1;
    socklen_t l = sizeof t;
    t = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    bind(d, (void *)&t, l);
    getsockname(d, (void *)&t, &l);
    setsockopt(d, SOL_SOCKET, SO_TIMESTAMP, &on, 4);
    setsockopt(d, IPPROTO_IP, IP_PKTINFO, &on, 4);
    sendto(d, "abc", 3, 0, (void *)&t, l);
    CALL(recvmsg, d, message(1, 10, 100, 200), 0);
}
CASE(recvmsg_rights) {
    int e[2];
    pair(e, SOCK_DGRAM);
    char c[CMSG_SPACE(8)] = {0};
    struct iovec v = {"x", 1};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = c, .msg_controllen = CMSG_LEN(8)};
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    h->cmsg_level = SOL_SOCKET;
    h->cmsg_type = SCM_RIGHTS;
    h->cmsg_len = CMSG_LEN(8);
    memcpy(CMSG_DATA(h), e, 8);
    sendmsg(e[0], &m, 0);
    CALL(recvmsg, e[1], message(1, 10, 0, 200), 0);
}
CASE(recvmsg_control_trunc) {
    int e[2], on = 1;
    pair(e, SOCK_DGRAM);
    setsockopt(e[1], SOL_SOCKET, SO_PASSCRED, &on, 4);
    write(e[0], "x", 1);
    CALL(recvmsg, e[1], message(1, 10, 0, 20), 0);
}
CASE(recvmsg_again) {
    int e[2];
    pair(e, SOCK_DGRAM);
    FAILS(recvmsg, e[1], message(1, 10, 50, 20), MSG_DONTWAIT);
}
CASE(recvmmsg) {
    struct sockaddr_in t;
    int d = datagram(&t);
    struct mmsghdr *m = slot();
    for (int i = 0; i < 3; i++)
        m[i].msg_hdr = *message(1, 50, 100, 0);
    struct timespec *s = slot();
    *s = (struct timespec){1, 0};
    CALL(recvmmsg, d, m, 3, MSG_DONTWAIT, s);
}
CASE(sendmsg) {
    int e[2];
    pair(e, SOCK_DGRAM);
    struct msghdr *m = message(2, 10, 0, 0);
    m->msg_name = 0;
    m->msg_control = 0;
    CALL(sendmsg, e[0], m, 0);
}
CASE(sendmmsg) {
    int e[2];
    pair(e, SOCK_DGRAM);
    struct mmsghdr *m = slot();
    for (int i = 0; i < 2; i++) {
        m[i].msg_hdr = *message(1, 10, 0, 0);
        m[i].msg_hdr.msg_name = 0;
        m[i].msg_hdr.msg_control = 0;
    }
    CALL(sendmmsg, e[0], m, 2, 0);
}
CASE(sendto) {
    int e[2];
    pair(e, SOCK_DGRAM);
    CALL(sendto, e[0], slot(), 100, 0, 0, 0);
}
CASE(setsockopt) {
    int *on = slot();
    *on = 1;
    CALL(setsockopt, socket(AF_INET, SOCK_STREAM, 0), SOL_SOCKET, SO_REUSEADDR, on, 4);
}
CASE(connect_fails) {
    struct sockaddr_un *a = slot();
    *a = (struct sockaddr_un){AF_UNIX, "/nowhere"};
    FAILS(connect, socket(AF_UNIX, SOCK_STREAM, 0), a, sizeof *a);
}
