/* exit: 0 */
/* msgget, msgsnd, msgrcv by type, msgctl, and a message too long. */
#include "check.h"

#include <sys/ipc.h>
#include <sys/msg.h>

struct message {
    long type;
    char text[500];
};

int main(void) {
    struct message message = {3, ""};
    struct msqid_ds status;

    int id = msgget(IPC_PRIVATE, IPC_CREAT | 0600);
    if (absent(id, "System V messages"))
        return 0;
    pid_t child = fork();
    if (child == 0) {
        for (long i = 1; i <= 5; i++) {
            message.type = i;
            fill_random(message.text, sizeof message.text);
            CHECK(msgsnd(id, &message, (size_t)i * 100, 0) == 0);
        }
        _exit(0);
    }
    CHECK(msgrcv(id, &message, sizeof message.text, 4, 0) == 400 && message.type == 4);
    printf("%016llx\n", (unsigned long long)hash_of(message.text, 400));
    join(child, 0);
    CHECK(msgrcv(id, &message, sizeof message.text, -2, 0) == 100 && message.type == 1);
    CHECK(msgrcv(id, &message, 10, 0, 0) == -1 && errno == E2BIG);
    CHECK(msgrcv(id, &message, 10, 0, MSG_NOERROR) == 10 && message.type == 2);
    printf("%016llx\n", (unsigned long long)hash_of(message.text, 10));
    CHECK(msgctl(id, IPC_STAT, &status) == 0 && status.msg_qnum == 2 && status.msg_lspid == child);
    printf("queue %d of %lu bytes, at %lld\n", id, status.msg_qbytes, (long long)status.msg_stime);
    CHECK(msgctl(id, IPC_RMID, NULL) == 0 && msgrcv(id, &message, 10, 9, IPC_NOWAIT) == -1);
    return 0;
}
