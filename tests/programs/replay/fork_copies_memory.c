/* exit: 0 */
/* After a fork each process has memory of its own: what one writes the other does not see. */
#include "check.h"

#include <sys/mman.h>

int main(void) {
    uint64_t *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint64_t *heap = malloc(100000), local = random_word();
    int ends[2];

    map[0] = random_word();
    heap[1000] = map[0] ^ local;
    CHECK(pipe(ends) == 0);
    pid_t child = fork();
    if (child == 0) {
        uint64_t seen = map[0] + heap[1000] + local;
        map[0] = heap[1000] = local = 1;
        printf("child %d of %d saw %016llx\n", getpid(), getppid(), (unsigned long long)seen);
        CHECK(write(ends[1], &seen, sizeof seen) == sizeof seen);
        _exit(0);
    }
    uint64_t from;
    CHECK(read(ends[0], &from, sizeof from) == sizeof from);
    join(child, 0);
    CHECK(from == map[0] + heap[1000] + local && heap[1000] == (map[0] ^ local));
    printf("parent %d, child %d: %016llx\n", getpid(), child, (unsigned long long)from);
    return 0;
}
