/* Cases of the memory oracle: ipc. */
#include "calls.h"

CASE(get_robust_list) {
    CALL(get_robust_list, 0, slot(), slot());
}
CASE(msgrcv) {
    int q = msgget(IPC_PRIVATE, 0600);
    struct {
        long t;
        char x[20];
    } m = {5, "message"};
    msgsnd(q, &m, 8, 0);
    CALL(msgrcv, q, slot(), 100, 0, 0);
    msgctl(q, IPC_RMID, 0);
}
CASE(msgctl_stat) {
    int q = msgget(IPC_PRIVATE, 0600);
    CALL(msgctl, q, IPC_STAT, slot());
    msgctl(q, IPC_RMID, 0);
}
CASE(msgctl_info) {
    CALL(msgctl, 0, IPC_INFO, slot());
}
CASE(shmctl_stat) {
    int q = shmget(IPC_PRIVATE, 4096, 0600);
    CALL(shmctl, q, IPC_STAT, slot());
    shmctl(q, IPC_RMID, 0);
}
CASE(shmctl_info) {
    CALL(shmctl, 0, SHM_INFO, slot());
}
CASE(semctl_stat) {
    int q = semget(IPC_PRIVATE, 3, 0600);
    CALL(semctl, q, 0, IPC_STAT, slot());
    semctl(q, 0, IPC_RMID);
}
CASE(semctl_getall) {
    int q = semget(IPC_PRIVATE, 3, 0600);
    CALL(semctl, q, 0, GETALL, slot());
    semctl(q, 0, IPC_RMID);
}
CASE(semctl_info) {
    CALL(semctl, 0, 0, SEM_INFO, slot());
}
CASE(mq_timedreceive) {
    int q = mq_open("/oracle-calls", O_CREAT | O_RDWR, 0600, NULL);
    if (q < 0)
        exit(77);
    mq_unlink("/oracle-calls");
    mq_send(q, "hello", 5, 3);
    CALL(mq_timedreceive, q, slot(), 8192, slot(), 0);
}
CASE(mq_getsetattr) {
    int q = mq_open("/oracle-calls2", O_CREAT | O_RDWR, 0600, NULL);
    if (q < 0)
        exit(77);
    mq_unlink("/oracle-calls2");
    CALL(mq_getsetattr, q, 0, slot());
}
CASE(futex_wake) {
    CALL(futex, slot(), FUTEX_WAKE, 1, 0, 0, 0);
}
CASE(futex_wake_op) {
    CALL(futex, slot(), FUTEX_WAKE_OP, 1, 1, slot(), FUTEX_OP(FUTEX_OP_ADD, 1, FUTEX_OP_CMP_EQ, 0));
}
CASE(futex_lock_pi) {
    int *w = slot();
    *w = 0;
    CALL(futex, w, FUTEX_LOCK_PI, 0, 0, 0, 0);
}
CASE(futex_unlock_pi) {
    int *w = slot();
    *w = getpid();
    CALL(futex, w, FUTEX_UNLOCK_PI, 0, 0, 0, 0);
}
CASE(futex_trylock_pi) {
    int *w = slot();
    *w = 0;
    CALL(futex, w, FUTEX_TRYLOCK_PI, 0, 0, 0, 0);
}
CASE(semop) {
    int q = semget(IPC_PRIVATE, 1, 0600);
    struct sembuf *b = slot();
    *b = (struct sembuf){0, 1, 0};
    CALL(semop, q, b, 1);
    semctl(q, 0, IPC_RMID);
}
CASE(semtimedop) {
    int q = semget(IPC_PRIVATE, 1, 0600);
    struct sembuf *b = slot();
    struct timespec *t = slot();
    *b = (struct sembuf){0, -1, 0};
    *t = (struct timespec){0, 1000};
    FAILS(semtimedop, q, b, 1, t);
    semctl(q, 0, IPC_RMID);
}
CASE(msgsnd) {
    int q = msgget(IPC_PRIVATE, 0600);
    long *m = slot();
    *m = 1;
    CALL(msgsnd, q, m, 50, 0);
    msgctl(q, IPC_RMID, 0);
}
CASE(shmat) {
    int q = shmget(IPC_PRIVATE, 8192, 0600);
    CALL(shmat, q, 0, 0);
    shmctl(q, IPC_RMID, 0);
}
CASE(mq_timedsend) {
    int q = mq_open("/oracle-calls3", O_CREAT | O_RDWR, 0600, NULL);
    if (q < 0)
        exit(77);
    mq_unlink("/oracle-calls3");
    CALL(mq_timedsend, q, slot(), 50, 1, 0);
}
