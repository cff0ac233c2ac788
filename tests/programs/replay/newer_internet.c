/* exit: 0 */
/* IPv6 over loopback, with control messages: arrival times, packet information, and errors' queue. */
#include "check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

int main(void) {
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT}, peer;
    socklen_t length = sizeof address;
    char text[64], control[512] __attribute__((aligned(8))), name[64];
    struct iovec piece = {text, sizeof text};
    struct msghdr message = {&peer, sizeof peer, &piece, 1, control, sizeof control, 0};
    int on = 1;

    int server = socket(AF_INET6, SOCK_DGRAM, 0), client = socket(AF_INET6, SOCK_DGRAM, 0);
    if (server == -1 || bind(server, (void *)&address, sizeof address)) {
        printf("no IPv6 here: %s\n", strerror(errno));
        return 0;
    }
    CHECK(getsockname(server, (void *)&address, &length) == 0);
    CHECK(setsockopt(server, SOL_SOCKET, SO_TIMESTAMP, &on, sizeof on) == 0 &&
          setsockopt(server, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on) == 0 &&
          setsockopt(server, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, &on, sizeof on) == 0);
    uint64_t word = random_word();
    CHECK(sendto(client, &word, sizeof word, 0, (void *)&address, sizeof address) == 8);
    CHECK(recvmsg(server, &message, 0) == 8);
    CHECK(inet_ntop(AF_INET6, &peer.sin6_addr, name, sizeof name));
    printf("from %s port %d: %016llx\n", name, ntohs(peer.sin6_port), (unsigned long long)hash_of(text, 8));
    for (struct cmsghdr *head = CMSG_FIRSTHDR(&message); head; head = CMSG_NXTHDR(&message, head)) {
        printf("control %d %d of %zu", head->cmsg_level, head->cmsg_type, (size_t)head->cmsg_len);
        if (head->cmsg_level == SOL_SOCKET && head->cmsg_type == SO_TIMESTAMP) {
            struct timeval arrival;
            memcpy(&arrival, CMSG_DATA(head), sizeof arrival);
            printf(": arrived at %ld.%06ld", (long)arrival.tv_sec, (long)arrival.tv_usec);
        }
        printf("\n");
    }
    CHECK(recvmsg(server, &message, MSG_ERRQUEUE) == -1 && errno == EAGAIN);
    return 0;
}
