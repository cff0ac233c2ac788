/* exit: 0 */
/* Unix socket pairs of each type between processes: streams, datagrams and packets, peeking and shutting down. */
#include "check.h"

#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

int main(void) {
    static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
    char data[3000], again[5000];

    for (size_t i = 0; i < COUNT(types); i++) {
        int ends[2], waiting;
        CHECK(socketpair(AF_UNIX, types[i] | SOCK_CLOEXEC, 0, ends) == 0);
        pid_t child = fork();
        if (child == 0) {
            fill_random(data, sizeof data);
            CHECK(send(ends[1], data, 1000, 0) == 1000 && send(ends[1], data + 1000, 2000, MSG_EOR) == 2000);
            uint64_t hash;
            CHECK(recv(ends[1], &hash, sizeof hash, MSG_WAITALL) == 8 && hash == hash_of(data, sizeof data));
            CHECK(shutdown(ends[1], SHUT_WR) == 0);
            _exit((int)i);
        }
        close(ends[1]);
        CHECK(recv(ends[0], again, 500, MSG_PEEK) == 500);
        if (types[i] == SOCK_STREAM)
            CHECK(recv(ends[0], again, sizeof data, MSG_WAITALL) == sizeof data);
        else
            CHECK(recv(ends[0], again, sizeof again, MSG_TRUNC) == 1000 &&
                  recv(ends[0], again + 1000, 4000, 0) == 2000);
        CHECK(ioctl(ends[0], FIONREAD, &waiting) == 0 && waiting == 0);
        uint64_t hash = hash_of(again, sizeof data);
        struct iovec pieces[] = {{&hash, 3}, {(char *)&hash + 3, 5}};
        CHECK(writev(ends[0], pieces, 2) == 8);
        if (types[i] != SOCK_DGRAM)
            CHECK(recv(ends[0], again, sizeof again, 0) == 0);
        join(child, (int)i);
        printf("type %d: %016llx\n", types[i], (unsigned long long)hash);
        CHECK(recv(ends[0], again, 1, MSG_DONTWAIT) <= 0);
    }
    return 0;
}
