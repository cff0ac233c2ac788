/* exit: 0 */
/* TCP with non-blocking sockets and poll: a connection in progress, one refused, a reset, and what TCP says of itself.
 */
#include "check.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

int main(void) {
    struct sockaddr_in address = {AF_INET, 0, {htonl(INADDR_LOOPBACK)}, {0}};
    socklen_t length = sizeof address;
    struct tcp_info info;
    int error, one = 1;
    char text[100];

    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    CHECK(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0);
    CHECK(bind(listener, (void *)&address, sizeof address) == 0 && listen(listener, 1) == 0);
    CHECK(getsockname(listener, (void *)&address, &length) == 0);
    CHECK(accept(listener, NULL, NULL) == -1 && errno == EAGAIN);
    int client = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    CHECK(connect(client, (void *)&address, sizeof address) == 0 || errno == EINPROGRESS);
    struct pollfd polled = {listener, POLLIN, 0};
    CHECK(poll(&polled, 1, 2000) == 1);
    int server = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    polled = (struct pollfd){client, POLLOUT, 0};
    CHECK(server >= 0 && poll(&polled, 1, 2000) == 1);
    length = sizeof error;
    CHECK(getsockopt(client, SOL_SOCKET, SO_ERROR, &error, &length) == 0 && error == 0);
    CHECK(setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) == 0);
    CHECK(recv(client, text, sizeof text, 0) == -1 && errno == EAGAIN && send(server, "hello", 5, 0) == 5);
    polled = (struct pollfd){client, POLLIN, 0};
    CHECK(poll(&polled, 1, 2000) == 1 && recv(client, text, sizeof text, 0) == 5);
    length = sizeof info;
    CHECK(getsockopt(client, IPPROTO_TCP, TCP_INFO, &info, &length) == 0);
    printf("state %u, round trip %u us, segment %u, port %d\n", info.tcpi_state, info.tcpi_rtt, info.tcpi_snd_mss,
           ntohs(address.sin_port));
    /* closing at once resets the connection */
    CHECK(setsockopt(server, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger)) == 0);
    close(server);
    CHECK(poll(&polled, 1, 2000) == 1 && recv(client, text, 1, 0) == -1 && errno == ECONNRESET);
    close(listener);
    close(client);
    client = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(connect(client, (void *)&address, sizeof address) == -1 && errno == ECONNREFUSED);
    return 0;
}
