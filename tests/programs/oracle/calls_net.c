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

CASE(socket) {
    int s = CALL(socket, AF_INET, SOCK_STREAM, 0);
    CALL(bind, s, SLOT_OF(struct sockaddr_in, {.sin_family = AF_INET}), sizeof(struct sockaddr_in));
    CALL(listen, s, 1);
    FAILS(socket, 12345, SOCK_STREAM, 0);
    FAILS(bind, s, slot(), 3);
}
CASE(shutdown) {
    int e[2];
    pair(e, SOCK_STREAM);
    CALL(shutdown, e[0], SHUT_WR);
    CALL(recvfrom, e[1], slot(), 100, 0, slot(), length_slot(100));
}
CASE(socketpair_fails) {
    FAILS(socketpair, AF_INET, SOCK_STREAM, 0, slot());
    FAILS(socketpair, AF_UNIX, 77, 0, slot());
}
CASE(connect) {
    struct sockaddr_in a;
    listener(&a);
    CALL(connect, socket(AF_INET, SOCK_STREAM, 0), slot_with(&a, sizeof a), sizeof a);
}
CASE(accept_fails) {
    struct sockaddr_in a;
    int l = listener(&a);
    fcntl(l, F_SETFL, O_NONBLOCK);
    FAILS(accept, l, slot(), length_slot(100));
    FAILS(accept4, l, slot(), length_slot(100), 1);
    FAILS(accept, 0, slot(), length_slot(100));
    connect(socket(AF_INET, SOCK_STREAM, 0), (void *)&a, sizeof a);
    FAILS(accept, l, slot(), length_slot(-1));
}
CASE(names_fail) {
    int s = socket(AF_INET, SOCK_STREAM, 0);
    FAILS(getpeername, s, slot(), length_slot(100));
    FAILS(getsockname, s, slot(), length_slot(-1));
    CALL(getsockname, s, slot(), length_slot(0));
    FAILS(getsockname, 0, slot(), length_slot(100));
}
CASE(names_unix) {
    int e[2], s = socket(AF_UNIX, SOCK_STREAM, 0);
    pair(e, SOCK_STREAM);
    CALL(getsockname, e[0], slot(), length_slot(100));
    CALL(getpeername, e[0], slot(), length_slot(100));
    struct sockaddr_un a = {AF_UNIX, "\0an abstract name"};
    need(bind(s, (void *)&a, 20) == 0);
    CALL(getsockname, s, slot(), length_slot(10));
    CALL(getsockname, s, slot(), length_slot(1000));
}
/* Every option of a level, with room and without; a length of 0 too. */
static void all_options(int s, int level, int last) {
    for (int option = 0; option <= last; option++) {
        TRY(getsockopt, s, level, option, memset(slot(), 0, 4), length_slot(4));
        TRY(getsockopt, s, level, option, slot(), length_slot(200));
        TRY(getsockopt, s, level, option, slot(), length_slot(1));
        TRY(getsockopt, s, level, option, slot(), length_slot(0));
        TRY(getsockopt, s, level, option, slot(), length_slot(-1));
    }
}
CASE(getsockopt_socket) {
    int server, s = connected(&server), e[2];
    pair(e, SOCK_STREAM);
    all_options(s, SOL_SOCKET, 85);
    all_options(e[0], SOL_SOCKET, 85);
}
CASE(getsockopt_ip) {
    int server, s = connected(&server), u = socket(AF_INET, SOCK_DGRAM, 0);
    all_options(s, IPPROTO_IP, 51);
    all_options(u, IPPROTO_IP, 51);
    all_options(u, IPPROTO_UDP, 110);
}
CASE(getsockopt_tcp) {
    int server, s = connected(&server);
    all_options(s, IPPROTO_TCP, 34);
    all_options(s, IPPROTO_TCP, 50);
}
CASE(getsockopt_ipv6) {
    int s = socket(AF_INET6, SOCK_STREAM, 0), u = socket(AF_INET6, SOCK_DGRAM, 0);
    all_options(s, IPPROTO_IPV6, 80);
    all_options(u, IPPROTO_IPV6, 80);
}
CASE(getsockopt_raw) {
    int s = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP), n = socket(AF_NETLINK, SOCK_RAW, 0);
    all_options(s, SOL_RAW, 2);
    all_options(s, IPPROTO_IP, 70);
    all_options(n, SOL_NETLINK, 14);
    all_options(socket(AF_PACKET, SOCK_RAW, 0), SOL_PACKET, 25);
}
/* Its length counts instructions. */
CASE(getsockopt_filter) {
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    struct {
        uint16_t code;
        uint8_t jt, jf;
        uint32_t k;
    } instructions[3] = {{0, 0, 0, 1}, {0, 0, 0, 2}, {6, 0, 0, 0}};
    struct {
        uint16_t length;
        void *filter;
    } program = {3, instructions};
    need(setsockopt(s, SOL_SOCKET, 26, &program, sizeof program) == 0);
    CALL(getsockopt, s, SOL_SOCKET, 26, slot(), length_slot(0));
    CALL(getsockopt, s, SOL_SOCKET, 26, slot(), length_slot(3));
    CALL(getsockopt, s, SOL_SOCKET, 26, slot(), length_slot(10));
    TRY(getsockopt, s, SOL_SOCKET, 26, slot(), length_slot(2));
}
CASE(getsockopt_peers) {
    int e[2];
    pair(e, SOCK_STREAM);
    CALL(getsockopt, e[0], SOL_SOCKET, SO_PEERCRED, slot(), length_slot(5));
    TRY(getsockopt, e[0], SOL_SOCKET, SO_PEERSEC, slot(), length_slot(100));
    TRY(getsockopt, e[0], SOL_SOCKET, SO_PEERSEC, slot(), length_slot(1));
    TRY(getsockopt, e[0], SOL_SOCKET, 59, slot(), length_slot(100)); /* SO_PEERGROUPS */
    TRY(getsockopt, e[0], SOL_SOCKET, 77, slot(), length_slot(4));   /* SO_PEERPIDFD */
}
CASE(setsockopt_sets) {
    int server, s = connected(&server);
    CALL(setsockopt, s, SOL_SOCKET, SO_RCVTIMEO, SLOT_OF(struct timeval, {0, 1000}), sizeof(struct timeval));
    FAILS(recvfrom, s, slot(), 100, 0, slot(), length_slot(100));
    CALL(setsockopt, s, IPPROTO_TCP, TCP_CONGESTION, SLOT_OF(char[8], {"cubic"}), 5);
    FAILS(setsockopt, s, SOL_SOCKET, 9999, slot(), 4);
}
CASE(recvfrom_peek) {
    struct sockaddr_in t;
    int d = datagram(&t);
    CALL(recvfrom, d, slot(), 1000, MSG_PEEK, slot(), length_slot(100));
    CALL(recvfrom, d, slot(), 3, MSG_PEEK | MSG_TRUNC, NULL, NULL);
    CALL(recvfrom, d, slot(), 0, 0, slot(), length_slot(100));
}
CASE(recvfrom_again) {
    int u = socket(AF_INET, SOCK_DGRAM, 0);
    FAILS(recvfrom, u, slot(), 100, MSG_DONTWAIT, slot(), length_slot(100));
    interrupt_soon();
    FAILS(recvfrom, u, slot(), 100, 0, slot(), length_slot(100));
}
CASE(recvfrom_urgent) {
    int server, s = connected(&server);
    need(send(server, "abc", 3, MSG_OOB) == 3);
    usleep(10000);
    TRY(recvfrom, s, slot(), 10, MSG_OOB, NULL, NULL);
    TRY(ioctl, s, SIOCATMARK, slot());
    CALL(recvfrom, s, slot(), 10, MSG_TRUNC, NULL, NULL);
}
/* An error's packet comes back with the error's own control message. */
CASE(recvmsg_error_queue) {
    int u = socket(AF_INET, SOCK_DGRAM, 0), on = 1;
    setsockopt(u, IPPROTO_IP, IP_RECVERR, &on, 4);
    struct sockaddr_in a = {AF_INET, htons(9), {htonl(INADDR_LOOPBACK)}};
    connect(u, (void *)&a, sizeof a);
    write(u, "abc", 3);
    usleep(10000);
    TRY(recvmsg, u, message(1, 100, 100, 200), MSG_ERRQUEUE);
    TRY(recvmsg, u, message(1, 100, 100, 200), MSG_ERRQUEUE);
    TRY(recvmsg, u, message(1, 100, 100, 200), MSG_DONTWAIT);
}
CASE(recvmsg_netlink) {
    int n = socket(AF_NETLINK, SOCK_RAW, 0);
    struct {
        uint32_t length;
        uint16_t type, flags;
        uint32_t sequence, port;
        unsigned char family[4];
    } request = {20, 18 /* RTM_GETLINK */, 0x301, 1, 0, {0}};
    need(send(n, &request, sizeof request, 0) == sizeof request);
    CALL(recvmsg, n, message(1, 100, 100, 100), MSG_PEEK | MSG_TRUNC);
    CALL(recvmsg, n, message(2, 8000, 12, 100), 0);
}
CASE(recvmsg_rights_cut) {
    int e[2];
    pair(e, SOCK_STREAM);
    char c[CMSG_SPACE(16)] = {0};
    struct iovec v = {"xyz", 3};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = c, .msg_controllen = CMSG_LEN(16)};
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    h->cmsg_level = SOL_SOCKET;
    h->cmsg_type = SCM_RIGHTS;
    h->cmsg_len = CMSG_LEN(16);
    memset(CMSG_DATA(h), 0, 16);
    sendmsg(e[0], &m, 0);
    sendmsg(e[0], &m, 0);
    CALL(recvmsg, e[1], message(1, 3, 50, CMSG_LEN(8)), MSG_CMSG_CLOEXEC);
    CALL(recvmsg, e[1], message(1, 3, 50, 5), MSG_PEEK);
    CALL(recvmsg, e[1], message(3, 1, 0, 0), MSG_WAITALL);
}
CASE(recvmsg_fault_in_address) {
    struct sockaddr_in t;
    struct msghdr *m = message(1, 100, 100, 100);
    m->msg_name = (void *)8;
    FAILS(recvmsg, datagram(&t), m, 0);
    m = message(1, 100, 100, 100);
    m->msg_control = (void *)8;
    TRY(recvmsg, datagram(&t), m, 0);
    m = message(1, 100, 100, 100);
    m->msg_iovlen = 5000;
    FAILS(recvmsg, datagram(&t), m, 0);
}
CASE(recvmmsg_fails) {
    struct sockaddr_in t;
    int d = datagram(&t);
    struct mmsghdr *m = slot();
    for (int i = 0; i < 4; i++)
        m[i].msg_hdr = *message(1, 50, 100, 0);
    FAILS(recvmmsg, d, m, 4, MSG_DONTWAIT, SLOT_OF(struct timespec, {5, -1}));
    m[0].msg_hdr.msg_name = (void *)8;
    FAILS(recvmmsg, d, m, 1, MSG_DONTWAIT, NULL);
    m[0].msg_hdr.msg_name = NULL;
    struct timespec *s = SLOT_OF(struct timespec, {5, 0});
    TRY(recvmmsg, d, m, 1, 0, s);
    FAILS(recvmmsg, socket(AF_INET, SOCK_DGRAM, 0), m, 4, MSG_DONTWAIT, s);
    interrupt_soon();
    FAILS(recvmmsg, socket(AF_INET, SOCK_DGRAM, 0), m, 4, 0, s);
}
/* What the table does not declare (docs/limits.md): the length is looked at when the buffer has been filled. */
CASE(recvfrom_negative_length) {
    struct sockaddr_in t;
    FAILS(recvfrom, datagram(&t), slot(), 1000, 0, slot(), length_slot(-1));
}
/* Nor this: the message that could not be finished is not counted. */
CASE(recvmmsg_faulty_name) {
    struct sockaddr_in t;
    int d = datagram(&t), on = 1;
    need(setsockopt(d, SOL_SOCKET, SO_TIMESTAMP, &on, sizeof on) == 0);
    struct mmsghdr *m = slot();
    for (int i = 0; i < 2; i++)
        m[i].msg_hdr = *message(1, 50, 100, 100);
    m[1].msg_hdr.msg_name = (void *)8;
    CALL(recvmmsg, d, m, 2, MSG_DONTWAIT, NULL);
}
CASE(recvmmsg_waits) {
    struct sockaddr_in t;
    int d = datagram(&t);
    struct mmsghdr *m = slot();
    for (int i = 0; i < 2; i++)
        m[i].msg_hdr = *message(1, 50, 100, 0);
    CALL(recvmmsg, d, m, 2, MSG_WAITFORONE, SLOT_OF(struct timespec, {5, 0}));
}
CASE(sendmmsg_part) {
    int e[2];
    pair(e, SOCK_DGRAM);
    struct mmsghdr *m = slot();
    for (int i = 0; i < 3; i++) {
        m[i].msg_hdr = *message(1, 10, 0, 0);
        m[i].msg_hdr.msg_name = m[i].msg_hdr.msg_control = NULL;
    }
    m[2].msg_hdr.msg_iov = (void *)8;
    CALL(sendmmsg, e[0], m, 3, 0);
    FAILS(sendmmsg, e[0], m + 2, 1, 0);
    FAILS(sendmmsg, 999, m, 3, 0);
}
CASE(sendto_fails) {
    FAILS(sendto, socket(AF_INET, SOCK_DGRAM, 0), slot(), 100, 0, slot(), 3);
    FAILS(sendmsg, 999, slot(), 0);
}
CASE(ioctl_interfaces) {
    int u = socket(AF_INET, SOCK_DGRAM, 0);
    static const unsigned requests[] = {SIOCGIFNAME,    SIOCGIFFLAGS,   SIOCGIFADDR,   SIOCGIFDSTADDR,
                                        SIOCGIFBRDADDR, SIOCGIFNETMASK, SIOCGIFMETRIC, SIOCGIFMTU,
                                        SIOCGIFHWADDR,  SIOCGIFINDEX,   SIOCGIFTXQLEN, SIOCGIFMAP,
                                        SIOCGIFPFLAGS,  0x8947,         0x8948,        0x89b1};
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        char *r = memset(slot(), 0, 40);
        if (requests[i] == SIOCGIFNAME)
            r[16] = 1;
        else
            strcpy(r, "lo");
        TRY(ioctl, u, requests[i], r);
    }
}
CASE(ioctl_ethtool) {
    int u = socket(AF_INET, SOCK_DGRAM, 0);
    for (uint32_t command = 1; command < 0x60; command++) {
        if (command == 0x1a || command == 9) /* that change something or take long */
            continue;
        void **r = memset(slot(), 0, 40);
        uint32_t *data = memset(slot(), 0, 2000);
        strcpy((char *)r, "lo");
        data[0] = command;
        data[1] = 2;
        r[2] = data;
        if (command == 0x4c) /* ETHTOOL_GLINKSETTINGS */
            data[1] = 0;
        TRY(ioctl, u, 0x8946, r);
    }
}
CASE(ioctl_sockets) {
    int server, s = connected(&server), u = socket(AF_INET, SOCK_DGRAM, 0);
    static const unsigned requests[] = {FIONREAD, 0x5411, SIOCATMARK, 0x894b, SIOCGPGRP,
                                        0x8903,   0x8906, 0x8907,     0x8954};
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        TRY(ioctl, s, requests[i], slot());
        TRY(ioctl, u, requests[i], memset(slot(), 0, 100));
    }
}
CASE(ioctl_tun) {
    int t = open("/dev/net/tun", O_RDWR);
    if (t < 0 || unshare(CLONE_NEWNET))
        exit(lacking);
    struct ifreq *r = memset(slot(), 0, sizeof *r);
    r->ifr_flags = 0x1002; /* IFF_TAP | IFF_NO_PI */
    CALL(ioctl, t, 0x400454ca, r);
    CALL(ioctl, t, 0x800454d2, slot());
    CALL(ioctl, t, 0x800454cf, slot()); /* TUNGETFEATURES */
    TRY(ioctl, t, 0x800454d3, slot());
    TRY(ioctl, t, 0x800454d7, slot());
}
