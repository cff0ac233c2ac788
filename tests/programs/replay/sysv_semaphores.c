/* exit: 0 */
/* semget, semop, semtimedop and semctl between processes, with SEM_UNDO at an exit. */
#include "check.h"

#include <sys/ipc.h>
#include <sys/sem.h>

union semun {
    int value;
    struct semid_ds *status;
    unsigned short *values;
};

int main(void) {
    unsigned short values[3] = {0, 5, 1}, got[3];
    struct semid_ds status;

    int id = semget(IPC_PRIVATE, 3, IPC_CREAT | 0600);
    if (absent(id, "System V semaphores"))
        return 0;
    CHECK(id >= 0 && semctl(id, 0, SETALL, (union semun){.values = values}) == 0);
    pid_t child = fork();
    if (child == 0) {
        CHECK(semop(id, &(struct sembuf){2, -1, SEM_UNDO}, 1) == 0);
        sleep_ms(3);
        CHECK(semop(id, &(struct sembuf){0, 1, 0}, 1) == 0);
        _exit(0);
    }
    CHECK(semop(id, &(struct sembuf){0, -1, 0}, 1) == 0);
    join(child, 0);
    CHECK(semctl(id, 0, GETALL, (union semun){.values = got}) == 0 && got[0] == 0 && got[1] == 5 && got[2] == 1);
    CHECK(semop(id, (struct sembuf[]){{1, -3, 0}, {2, 1, 0}}, 2) == 0 && semctl(id, 1, GETVAL) == 2);
    CHECK(semtimedop(id, &(struct sembuf){0, -1, 0}, 1, &(struct timespec){0, 2000000}) == -1 && errno == EAGAIN);
    CHECK(semop(id, &(struct sembuf){0, -1, IPC_NOWAIT}, 1) == -1 && errno == EAGAIN);
    CHECK(semctl(id, 0, IPC_STAT, (union semun){.status = &status}) == 0 && status.sem_nsems == 3);
    printf("set %d, last by %d of %d, at %lld\n", id, semctl(id, 0, GETPID), child, (long long)status.sem_otime);
    CHECK(semctl(id, 0, IPC_RMID) == 0 && semctl(id, 0, GETVAL) == -1);
    return 0;
}
