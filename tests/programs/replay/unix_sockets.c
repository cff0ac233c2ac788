/* exit: 0 */
/* Unix sockets by path and by abstract name: listen, accept, names of both sides, credentials of the peer. */
#include "check.h"

#include <sys/socket.h>
#include <sys/un.h>

static void serve(struct sockaddr_un *address, socklen_t length) {
    struct sockaddr_un peer;
    struct ucred credentials;
    socklen_t size = sizeof credentials;
    char text[64];

    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(bind(listener, (void *)address, length) == 0 && listen(listener, 5) == 0);
    pid_t child = fork();
    if (child == 0) {
        int client = socket(AF_UNIX, SOCK_STREAM, 0);
        CHECK(connect(client, (void *)address, length) == 0);
        int written = snprintf(text, sizeof text, "client %d: %016llx", getpid(), (unsigned long long)random_word());
        CHECK(send(client, text, (size_t)written, 0) == written && recv(client, text, 3, 0) == 3);
        _exit(0);
    }
    socklen_t peer_length = sizeof peer;
    int connection = accept4(listener, (void *)&peer, &peer_length, SOCK_CLOEXEC);
    CHECK(connection >= 0);
    CHECK(getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0 && credentials.pid == child);
    ssize_t got = recv(connection, text, sizeof text, 0);
    CHECK(got > 0);
    printf("%.*s, user %u, address of %u bytes\n", (int)got, text, credentials.uid, peer_length);
    peer_length = sizeof peer;
    CHECK(getsockname(connection, (void *)&peer, &peer_length) == 0 && peer_length >= 3);
    CHECK(send(connection, "end", 3, 0) == 3);
    join(child, 0);
    close(connection);
    close(listener);
}

int main(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "socket"};

    serve(&address, sizeof address);
    CHECK(socket(AF_UNIX, SOCK_STREAM, 0) >= 0);
    int client = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(connect(client, (void *)&address, sizeof address) == -1 && errno == ECONNREFUSED);
    memset(address.sun_path, 0, sizeof address.sun_path);
    int length = snprintf(address.sun_path + 1, 60, "retrograde-%016llx", (unsigned long long)random_word());
    serve(&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length));
    /* a name that the kernel chooses */
    int own = socket(AF_UNIX, SOCK_DGRAM, 0);
    socklen_t size = sizeof address;
    CHECK(bind(own, (void *)&address, sizeof(sa_family_t)) == 0 && getsockname(own, (void *)&address, &size) == 0);
    printf("chosen: %.5s\n", address.sun_path + 1);
    return 0;
}
