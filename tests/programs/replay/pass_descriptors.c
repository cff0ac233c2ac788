/* exit: 0 */
/* SCM_RIGHTS and SCM_CREDENTIALS: descriptors and who sent them, in one message, and cut short. */
#include "check.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>

union control {
    char bytes[CMSG_SPACE(3 * sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
    struct cmsghdr head;
};

int main(void) {
    union control control;
    char text[100];
    struct iovec piece = {text, sizeof text};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = &control};
    int ends[2], on = 1, files[3];

    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) == 0);
    CHECK(setsockopt(ends[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == 0);
    pid_t child = fork();
    if (child == 0) {
        memset(&control, 0, sizeof control);
        for (int round = 0; round < 2; round++) {
            for (int i = 0; i < 3; i++) {
                files[i] = memfd_create("x", 0);
                uint64_t word = random_word();
                CHECK(write(files[i], &word, sizeof word) == 8);
            }
            message.msg_controllen = CMSG_SPACE(sizeof files);
            control.head = (struct cmsghdr){CMSG_LEN(sizeof files), SOL_SOCKET, SCM_RIGHTS};
            memcpy(CMSG_DATA(&control.head), files, sizeof files);
            piece.iov_len = (size_t)snprintf(text, sizeof text, "from %d", getpid());
            CHECK(sendmsg(ends[1], &message, 0) > 0);
        }
        _exit(0);
    }
    message.msg_controllen = sizeof control;
    ssize_t size = recvmsg(ends[0], &message, 0);
    CHECK(size > 0 && !(message.msg_flags & MSG_CTRUNC));
    printf("%.*s\n", (int)size, text);
    for (struct cmsghdr *head = CMSG_FIRSTHDR(&message); head; head = CMSG_NXTHDR(&message, head))
        if (head->cmsg_type == SCM_RIGHTS) {
            memcpy(files, CMSG_DATA(head), sizeof files);
            for (int i = 0; i < 3; i++) {
                uint64_t word;
                CHECK(pread(files[i], &word, sizeof word, 0) == 8);
                printf("descriptor %d: %016llx\n", files[i], (unsigned long long)word);
            }
        } else {
            struct ucred credentials;
            memcpy(&credentials, CMSG_DATA(head), sizeof credentials);
            CHECK(credentials.pid == child);
            printf("sent by %d of %u:%u\n", credentials.pid, credentials.uid, credentials.gid);
        }
    message.msg_controllen = CMSG_SPACE(sizeof(int));
    CHECK(recvmsg(ends[0], &message, MSG_CMSG_CLOEXEC) > 0 && message.msg_flags & MSG_CTRUNC);
    printf("cut short: flags %x, %zu\n", message.msg_flags, message.msg_controllen);
    join(child, 0);
    return 0;
}
