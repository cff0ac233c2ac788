/* exit: 0 */
/* TCP over loopback: a server with a thread for each of several clients, which are threads too. */
#include "check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>

enum { clients = 3, size = 50000 };

static struct sockaddr_in address;

static void *answer(void *argument) {
    int connection = (int)(intptr_t)argument;
    char data[8192];

    for (ssize_t got; (got = recv(connection, data, sizeof data, 0)) != 0;) {
        CHECK(got > 0);
        for (ssize_t i = 0; i < got; i++)
            data[i] ^= 0x55;
        for (ssize_t done = 0, sent; done < got; done += sent) {
            sent = send(connection, data + done, (size_t)(got - done), 0);
            CHECK(sent > 0);
        }
    }
    close(connection);
    return NULL;
}

static void *ask(void *unused) {
    unsigned char *data = malloc(size), *again = malloc(size);
    struct sockaddr_in own;
    socklen_t length = sizeof own;

    fill_random(data, size);
    int client = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(connect(client, (void *)&address, sizeof address) == 0);
    CHECK(getsockname(client, (void *)&own, &length) == 0);
    for (int sent = 0, got = 0; got < size;) {
        if (sent < size) {
            ssize_t some = send(client, data + sent, 5000, 0);
            CHECK(some > 0);
            sent += (int)some;
        }
        ssize_t some = recv(client, again + got, (size_t)(sent - got), 0);
        CHECK(some > 0);
        got += (int)some;
    }
    for (int i = 0; i < size; i++)
        CHECK(again[i] == (data[i] ^ 0x55));
    CHECK(shutdown(client, SHUT_WR) == 0 && recv(client, again, 1, 0) == 0);
    printf("port %d: %016llx\n", ntohs(own.sin_port), (unsigned long long)hash_of(again + 1, size - 1));
    return unused;
}

int main(void) {
    pthread_t ids[2 * clients];
    socklen_t length = sizeof address;

    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address = (struct sockaddr_in){AF_INET, 0, {htonl(INADDR_LOOPBACK)}, {0}};
    CHECK(bind(listener, (void *)&address, sizeof address) == 0 && listen(listener, clients) == 0);
    CHECK(getsockname(listener, (void *)&address, &length) == 0);
    printf("listens at %s:%d\n", inet_ntoa(address.sin_addr), ntohs(address.sin_port));
    for (int i = 0; i < clients; i++)
        CHECK(pthread_create(&ids[i], NULL, ask, NULL) == 0);
    for (int i = 0; i < clients; i++) {
        struct sockaddr_in peer;
        length = sizeof peer;
        int connection = accept(listener, (void *)&peer, &length);
        CHECK(connection >= 0 && peer.sin_family == AF_INET);
        CHECK(pthread_create(&ids[clients + i], NULL, answer, (void *)(intptr_t)connection) == 0);
    }
    for (int i = 0; i < 2 * clients; i++)
        CHECK(pthread_join(ids[i], NULL) == 0);
    return 0;
}
