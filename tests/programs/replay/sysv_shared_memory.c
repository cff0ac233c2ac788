/* exit: 0 */
/* shmget, shmat, shmctl and shmdt between processes, attached twice, read-only, and at a chosen address. */
#include "check.h"

#include <sys/mman.h>
#include <sys/shm.h>

int main(void) {
    struct shmid_ds status;

    int id = shmget(IPC_PRIVATE, 10000, IPC_CREAT | 0600);
    if (absent(id, "System V shared memory"))
        return 0;
    volatile uint64_t *map = shmat(id, NULL, 0);
    const volatile uint64_t *reader = shmat(id, NULL, SHM_RDONLY);
    CHECK(id >= 0 && map != (void *)-1 && reader != (void *)-1);
    void *place = mmap(NULL, 1 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(munmap(place, 1 << 20) == 0 && shmat(id, place, 0) == place);
    map[1000] = random_word();
    CHECK(reader[1000] == map[1000] && ((uint64_t *)place)[1000] == map[1000]);
    pid_t child = fork();
    if (child == 0) {
        volatile uint64_t *own = shmat(id, NULL, 0);
        own[1] = own[1000] * 3 + (uint64_t)getpid();
        CHECK(shmdt((void *)own) == 0);
        _exit(0);
    }
    join(child, 0);
    CHECK(reader[1] == map[1000] * 3 + (uint64_t)child);
    CHECK(shmctl(id, IPC_STAT, &status) == 0 && status.shm_segsz == 10000 && status.shm_lpid == child);
    printf("segment %d at %p and %p: %016llx, %lu attached, by %d\n", id, (void *)map, (void *)reader,
           (unsigned long long)map[1], (long)status.shm_nattch, status.shm_cpid);
    CHECK(shmctl(id, IPC_RMID, NULL) == 0 && shmdt((void *)reader) == 0 && shmdt(place) == 0);
    CHECK(map[1000] && shmdt((void *)map) == 0 && shmdt((void *)map) == -1 && errno == EINVAL);
    CHECK(shmctl(id, IPC_STAT, &status) == -1);
    return 0;
}
