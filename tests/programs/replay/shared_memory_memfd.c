/* exit: 0 */
/* A memfd passed to another process through a socket, and mapped there at an address of its own. */
#include "check.h"

#include <sys/mman.h>
#include <sys/socket.h>

union control {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr head;
};

int main(void) {
    char byte = 'x';
    union control control = {.head = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
    struct iovec piece = {&byte, 1};
    struct msghdr message = {
        .msg_iov = &piece, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    int ends[2];

    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    pid_t child = fork();
    if (child == 0) {
        CHECK(recvmsg(ends[1], &message, MSG_CMSG_CLOEXEC) == 1);
        int got;
        memcpy(&got, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof got);
        uint64_t *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, got, 0);
        CHECK(map != MAP_FAILED);
        printf("child %d got %d: %016llx\n", getpid(), got, (unsigned long long)map[0]);
        map[1] = ~map[0];
        CHECK(write(ends[1], "y", 1) == 1);
        _exit(0);
    }
    int file = memfd_create("passed", 0);
    CHECK(ftruncate(file, 4096) == 0);
    volatile uint64_t *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    map[0] = random_word();
    memcpy(CMSG_DATA(&control.head), &file, sizeof file);
    CHECK(sendmsg(ends[0], &message, 0) == 1 && read(ends[0], &byte, 1) == 1 && byte == 'y');
    CHECK(map[1] == ~map[0]);
    printf("%016llx\n", (unsigned long long)map[1]);
    join(child, 0);
    return 0;
}
