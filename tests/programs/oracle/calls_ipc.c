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

/* System V. */
CASE(msgctl_stats) {
    int q = msgget(IPC_PRIVATE, 0600);
    CALL(msgctl, q, IPC_SET,
         slot_with(&(struct msqid_ds){.msg_qbytes = 1000, .msg_perm.mode = 0600}, sizeof(struct msqid_ds)));
    TRY(msgctl, 0, MSG_INFO, slot());
    TRY(msgctl, 0, MSG_STAT, slot());
    TRY(msgctl, 0, 13, slot()); /* MSG_STAT_ANY */
    FAILS(msgctl, q, 99, slot());
    FAILS(msgctl, -1, IPC_STAT, slot());
    msgctl(q, IPC_RMID, 0);
}
CASE(msgrcv_fails) {
    int q = msgget(IPC_PRIVATE, 0600);
    long m[3] = {5, 1, 2};
    FAILS(msgrcv, q, slot(), 100, 0, IPC_NOWAIT);
    msgsnd(q, m, 16, 0);
    FAILS(msgrcv, q, slot(), 4, 0, 0);
    CALL(msgrcv, q, slot(), 100, 0, 040000 | IPC_NOWAIT); /* MSG_COPY */
    CALL(msgrcv, q, slot(), 4, 0, MSG_NOERROR);
    interrupt_soon();
    FAILS(msgrcv, q, slot(), 100, 0, 0);
    msgctl(q, IPC_RMID, 0);
}
CASE(shmctl_stats) {
    int q = shmget(IPC_PRIVATE, 4096, 0600);
    void *at = (void *)CALL(shmat, q, 0, 0);
    TRY(shmctl, 0, IPC_INFO, slot());
    for (int i = 0; i < 4; i++) {
        TRY(shmctl, i, SHM_STAT, slot());
        TRY(shmctl, i, 15, slot()); /* SHM_STAT_ANY */
    }
    CALL(shmdt, at);
    CALL(shmctl, q, SHM_LOCK, slot());
    CALL(shmctl, q, SHM_UNLOCK, slot());
    FAILS(shmctl, q, 99, slot());
    shmctl(q, IPC_RMID, 0);
}
CASE(semctl_others) {
    int q = semget(IPC_PRIVATE, 3, 0600);
    for (int i = 0; i < 4; i++) {
        TRY(semctl, i, 0, SEM_STAT, slot());
        TRY(semctl, i, 0, 20, slot()); /* SEM_STAT_ANY */
    }
    CALL(semctl, 0, 0, IPC_INFO, slot());
    CALL(semctl, q, 0, GETVAL, slot());
    CALL(semctl, q, 0, GETPID, slot());
    CALL(semctl, q, 0, GETNCNT, slot());
    CALL(semctl, q, 0, GETZCNT, slot());
    CALL(semctl, q, 0, SETVAL, 3);
    CALL(semctl, q, 0, SETALL, memset(slot(), 0, 6));
    FAILS(semctl, q, 99, GETVAL, slot());
    FAILS(semctl, q, 0, 99, slot());
    semctl(q, 0, IPC_RMID);
}

/* POSIX queues. */
static int queue(const char *name) {
    struct mq_attr a = {.mq_maxmsg = 3, .mq_msgsize = 100};
    mq_unlink(name);
    int q = mq_open(name, O_CREAT | O_RDWR | O_NONBLOCK, 0600, &a);
    need(q >= 0);
    return q;
}
CASE(mq_open) {
    struct mq_attr *a = SLOT_OF(struct mq_attr, {.mq_maxmsg = 3, .mq_msgsize = 100});
    int q = CALL(mq_open, "oracle-calls4", O_CREAT | O_RDWR, 0600, a);
    CALL(mq_notify, q, SLOT_OF(struct sigevent, {.sigev_notify = SIGEV_NONE}));
    CALL(mq_notify, q, NULL);
    CALL(mq_unlink, "oracle-calls4");
    CALL(mq_getsetattr, q, SLOT_OF(struct mq_attr, {.mq_flags = O_NONBLOCK}), slot());
    FAILS(mq_getsetattr, 999, NULL, slot());
}
CASE(mq_timedreceive_fails) {
    int q = queue("/oracle-calls5");
    mq_unlink("/oracle-calls5");
    FAILS(mq_timedreceive, q, slot(), 100, slot(), 0);
    mq_send(q, "hello", 5, 3);
    FAILS(mq_timedreceive, q, slot(), 10, slot(), 0);
    FAILS(mq_timedreceive, q, slot(), 100, (void *)8, 0);
    FAILS(mq_timedsend, q, slot(), 1000, 1, 0);
}
/* The kernel writes its cookie into the message of a notification. */
CASE(mq_notify_thread) {
    int q = queue("/oracle-calls6"), n = socket(AF_NETLINK, SOCK_RAW, 0);
    mq_unlink("/oracle-calls6");
    struct sigevent *e = memset(slot(), 0, sizeof *e);
    e->sigev_notify = SIGEV_THREAD;
    e->sigev_signo = n;
    e->sigev_value.sival_ptr = slot();
    CALL(mq_notify, q, e);
    mq_send(q, "hello", 5, 3);
    CALL(read, n, slot(), 100);
}

/* Futexes. */
CASE(futex_waits) {
    uint32_t *w = slot();
    FAILS(futex, w, FUTEX_WAIT, 1, SLOT_OF(struct timespec, {0, 1000}), 0, 0);
    FAILS(futex, w, FUTEX_WAIT, 0x5a5a5a5a, SLOT_OF(struct timespec, {0, 1000}), 0, 0);
    FAILS(futex, w, FUTEX_WAIT_BITSET, 0x5a5a5a5a, SLOT_OF(struct timespec, {0, 1000}), 0, -1);
    interrupt_soon();
    FAILS(futex, w, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 0x5a5a5a5a, SLOT_OF(struct timespec, {5, 0}), 0, 0);
    CALL(futex, w, FUTEX_WAKE_BITSET, 1, 0, 0, -1);
    CALL(futex, w, FUTEX_REQUEUE, 1, 1, slot(), 0);
    CALL(futex, w, FUTEX_CMP_REQUEUE, 1, 1, slot(), 0x5a5a5a5a);
    FAILS(futex, w, FUTEX_CMP_REQUEUE, 1, 1, slot(), 1);
    FAILS(futex, w, 99, 1, 1, slot(), 1);
}
/* A word that says that a thread holds it, which is waited for until it dies or the time is out. */
CASE(futex_lock_pi_held) {
    pid_t child = waiting_child();
    uint32_t *w = SLOT_OF(uint32_t, {child}), *v = SLOT_OF(uint32_t, {child});
    FAILS(futex, w, FUTEX_LOCK_PI, 0, SLOT_OF(struct timespec, {1, 0}), 0, 0);
    FAILS(futex, v, FUTEX_LOCK_PI2, 0, SLOT_OF(struct timespec, {1, 0}), 0, 0);
    FAILS(futex, w, FUTEX_TRYLOCK_PI, 0, 0, 0, 0);
    FAILS(futex, SLOT_OF(uint32_t, {9999999}), FUTEX_LOCK_PI, 0, NULL, 0, 0);
    kill(child, SIGKILL);
}
CASE(futex_requeue_pi) {
    uint32_t *w = slot(), *to = SLOT_OF(uint32_t, {0});
    FAILS(futex, w, FUTEX_WAIT_REQUEUE_PI, 0x5a5a5a5a, SLOT_OF(struct timespec, {1, 0}), to, 0);
    TRY(futex, w, FUTEX_CMP_REQUEUE_PI, 1, 1, to, 0x5a5a5a5a);
}
CASE(futex2) {
    uint32_t *w = slot();
    TRY(futex_wake, w, ~0u, 1, 2);
    TRY(futex_wait, w, 1, ~0u, 2, SLOT_OF(struct timespec, {0, 1000}), CLOCK_MONOTONIC);
    TRY(futex_wait, w, 0x5a5a5a5a, ~0u, 2, SLOT_OF(struct timespec, {0, 1000}), CLOCK_MONOTONIC);
    uint64_t *v = slot();
    for (int i = 0; i < 2; i++) {
        v[3 * i] = 0x5a5a5a5a;
        v[3 * i + 1] = (uint64_t)slot();
        v[3 * i + 2] = 2;
    }
    TRY(futex_requeue, v, 0, 1, 1);
    FAILS(futex_waitv, v, 2, 0, SLOT_OF(struct timespec, {0, 1000}), CLOCK_MONOTONIC);
    v[0] = 1;
    FAILS(futex_waitv, v, 2, 0, SLOT_OF(struct timespec, {0, 1000}), CLOCK_MONOTONIC);
}
CASE(set_robust_list) {
    CALL(set_robust_list, memset(slot(), 0, 24), 24);
    CALL(get_robust_list, getpid(), slot(), slot());
    FAILS(get_robust_list, 9999999, slot(), slot());
}
