/* usage: bulk read FILE SIZE - one read() of SIZE bytes.
 *        bulk recvmsg - one recvmsg() into 1,024 iovecs of 61 bytes, each byte its index modulo 251.
 *        bulk arrays [WORD] - sendmmsg() and recvmmsg() of three messages, and an execve() that fails. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { VECTORS = 1024, LENGTH = 61 };

static int receive(void) {
    static unsigned char from[VECTORS * LENGTH], to[VECTORS * LENGTH];
    static struct iovec vectors[VECTORS];
    struct msghdr message = {.msg_iov = vectors, .msg_iovlen = VECTORS};
    int size = 1 << 20, ends[2];

    for (int i = 0; i < VECTORS * LENGTH; i++)
        from[i] = i % 251;
    for (int i = 0; i < VECTORS; i++)
        vectors[i] = (struct iovec){.iov_base = to + i * LENGTH, .iov_len = LENGTH};
    if (socketpair(AF_UNIX, SOCK_DGRAM, 0, ends))
        return 1;
    setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    if (send(ends[0], from, sizeof from, 0) != sizeof from)
        return 1;
    return recvmsg(ends[1], &message, 0) != sizeof to || memcmp(from, to, sizeof to) != 0;
}

static int send_arrays(char *word) {
    static char texts[3][8] = {"one", "two", "three"}, room[4][8];
    struct iovec from[3], to[4];
    struct mmsghdr sent[3] = {0}, received[4] = {0};
    char *words[] = {"/no/such/program", "a word", word, NULL}, *environment[] = {"A=1", NULL};
    int ends[2];

    for (int i = 0; i < 3; i++) {
        from[i] = (struct iovec){.iov_base = texts[i], .iov_len = strlen(texts[i])};
        sent[i].msg_hdr = (struct msghdr){.msg_iov = &from[i], .msg_iovlen = 1};
    }
    for (int i = 0; i < 4; i++) {
        to[i] = (struct iovec){.iov_base = room[i], .iov_len = sizeof room[i]};
        received[i].msg_hdr = (struct msghdr){.msg_iov = &to[i], .msg_iovlen = 1};
    }
    if (socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) || sendmmsg(ends[0], sent, 3, 0) != 3 ||
        recvmmsg(ends[1], received, 4, MSG_DONTWAIT, NULL) != 3)
        return 1;
    return execve(words[0], words, environment) != -1 || errno != ENOENT;
}

int main(int argc, char **argv) {
    if (argc > 3 && strcmp(argv[1], "read") == 0) {
        long size = atol(argv[3]);
        char *buffer = malloc(size);
        int file = open(argv[2], O_RDONLY);
        return read(file, buffer, size) != size;
    }
    return argc > 1 && strcmp(argv[1], "arrays") == 0 ? send_arrays(argc > 2 ? argv[2] : "") : receive();
}
