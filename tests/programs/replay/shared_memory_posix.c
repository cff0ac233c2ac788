/* exit: 0 */
/* shm_open, shared with a program executed afresh, which opens it by name. */
#include "check.h"

#include <fcntl.h>
#include <sys/mman.h>

int main(int argc, char **argv) {
    char name[64];

    if (argc == 2) {
        int file = shm_open(argv[1], O_RDWR, 0);
        uint64_t *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        CHECK(file >= 0 && map != MAP_FAILED);
        printf("%d reads %016llx\n", getpid(), (unsigned long long)map[7]);
        map[8] = map[7] + (uint64_t)getpid();
        return 0;
    }
    snprintf(name, sizeof name, "/retrograde-%d-%llx", getpid(), (unsigned long long)random_word());
    int file = shm_open(name, O_CREAT | O_EXCL | O_RDWR, 0600);
    if (file == -1) {
        printf("no shm_open here: %s\n", strerror(errno));
        return 0;
    }
    CHECK(ftruncate(file, 4096) == 0);
    volatile uint64_t *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    CHECK(map != MAP_FAILED);
    map[7] = random_word();
    pid_t child = fork();
    if (child == 0) {
        execl("/proc/self/exe", argv[0], name, NULL);
        _exit(1);
    }
    join(child, 0);
    CHECK(map[8] == map[7] + (uint64_t)child && shm_unlink(name) == 0 && shm_unlink(name) == -1);
    printf("%016llx\n", (unsigned long long)map[8]);
    return 0;
}
