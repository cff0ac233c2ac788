/* exit: 0 */
/* UDP over loopback: sendto and recvfrom, sendmmsg and recvmmsg, time limits, and a port that nobody has. */
#include "check.h"

#include <netinet/in.h>
#include <sys/socket.h>

enum { messages = 8 };

int main(void) {
    struct sockaddr_in address = {AF_INET, 0, {htonl(INADDR_LOOPBACK)}, {0}}, peers[messages];
    socklen_t length = sizeof address;
    struct mmsghdr heads[messages];
    struct iovec pieces[messages];
    char data[messages][100], text[200];

    int server = socket(AF_INET, SOCK_DGRAM, 0), client = socket(AF_INET, SOCK_DGRAM, 0);
    CHECK(bind(server, (void *)&address, sizeof address) == 0 && getsockname(server, (void *)&address, &length) == 0);
    int wrote = snprintf(text, sizeof text, "%016llx", (unsigned long long)random_word());
    CHECK(sendto(client, text, (size_t)wrote, 0, (void *)&address, sizeof address) == wrote);
    length = sizeof peers[0];
    ssize_t got = recvfrom(server, text, sizeof text, 0, (void *)&peers[0], &length);
    CHECK(got == wrote && length == sizeof peers[0]);
    printf("%.*s from port %d to %d\n", (int)got, text, ntohs(peers[0].sin_port), ntohs(address.sin_port));
    fill_random(data, sizeof data);
    memset(heads, 0, sizeof heads);
    for (int i = 0; i < messages; i++) {
        pieces[i] = (struct iovec){data[i], (size_t)(10 + i * 10)};
        heads[i].msg_hdr = (struct msghdr){&address, sizeof address, &pieces[i], 1, NULL, 0, 0};
    }
    CHECK(sendmmsg(client, heads, messages, 0) == messages && heads[3].msg_len == 40);
    memset(data, 0, sizeof data);
    for (int i = 0; i < messages; i++) {
        pieces[i].iov_len = 50;
        heads[i].msg_hdr.msg_name = &peers[i];
    }
    int count = recvmmsg(server, heads, messages, MSG_WAITFORONE, &(struct timespec){2, 0});
    CHECK(count == messages);
    for (int i = 0; i < count; i++)
        printf("%u, flags %x, port %d: %016llx\n", heads[i].msg_len, heads[i].msg_hdr.msg_flags,
               ntohs(peers[i].sin_port), (unsigned long long)hash_of(data[i], sizeof data[i]));
    CHECK(setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){0, 2000}, sizeof(struct timeval)) == 0);
    CHECK(recv(server, text, sizeof text, 0) == -1 && errno == EAGAIN);
    close(server);
    CHECK(connect(client, (void *)&address, sizeof address) == 0 && send(client, "x", 1, 0) == 1);
    CHECK(recv(client, text, 1, 0) == -1 && errno == ECONNREFUSED);
    return 0;
}
