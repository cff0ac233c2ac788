/* exit: 0 */
/* getsockopt and setsockopt of many options, whole and cut short, on several kinds of socket. */
#include "check.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

static void show(int fd, const char *name, int level, int option) {
    unsigned char value[256];
    socklen_t length = sizeof value;

    if (getsockopt(fd, level, option, value, &length)) {
        printf("%s: %s\n", name, strerror(errno));
        return;
    }
    printf("%s:", name);
    for (socklen_t i = 0; i < length && i < 16; i++)
        printf(" %02x", value[i]);
    printf(" (%u bytes)\n", length);
}

#define SHOW(fd, level, option) show(fd, #option, level, option)

int main(void) {
    int tcp = socket(AF_INET, SOCK_STREAM, 0), local = socket(AF_UNIX, SOCK_STREAM, 0), value = 12345;
    struct timeval limit = {1, 500000};
    socklen_t length = 1;

    CHECK(tcp >= 0 && local >= 0);
    SHOW(tcp, SOL_SOCKET, SO_TYPE);
    SHOW(tcp, SOL_SOCKET, SO_DOMAIN);
    SHOW(tcp, SOL_SOCKET, SO_RCVBUF);
    SHOW(tcp, SOL_SOCKET, SO_ACCEPTCONN);
    SHOW(tcp, SOL_SOCKET, SO_COOKIE);
    SHOW(tcp, SOL_SOCKET, SO_INCOMING_CPU);
    SHOW(local, SOL_SOCKET, SO_PEERCRED);
    SHOW(local, SOL_SOCKET, SO_PEERSEC);
    SHOW(tcp, IPPROTO_TCP, TCP_MAXSEG);
    SHOW(tcp, IPPROTO_TCP, TCP_CONGESTION);
    SHOW(tcp, IPPROTO_TCP, TCP_INFO);
    SHOW(tcp, IPPROTO_IP, IP_TTL);
    CHECK(setsockopt(tcp, SOL_SOCKET, SO_SNDBUF, &value, sizeof value) == 0);
    CHECK(setsockopt(tcp, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
    SHOW(tcp, SOL_SOCKET, SO_SNDBUF);
    SHOW(tcp, SOL_SOCKET, SO_RCVTIMEO);
    value = 0x55555555;
    CHECK(getsockopt(tcp, SOL_SOCKET, SO_TYPE, &value, &length) == 0 && length == 1 &&
          (value & 0xffffff00) == 0x55555500);
    CHECK(setsockopt(tcp, SOL_SOCKET, 12345, &value, 4) == -1 && errno == ENOPROTOOPT);
    CHECK(getsockopt(tcp, SOL_SOCKET, SO_TYPE, &value, NULL) == -1 && errno == EFAULT);
    CHECK(socket(AF_INET, 77, 0) == -1 && socket(12345, SOCK_STREAM, 0) == -1 && errno == EAFNOSUPPORT);
    return 0;
}
