/* exit: 0 */
/* Threads write to protected pages; a handler counts the first write to each, as collectors of garbage do. */
#include "check.h"

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>

enum { page = 4096, pages = 64 };

static char *map;
static unsigned char dirty[pages];
static int faults;

static void on_fault(int number, siginfo_t *info, void *context) {
    size_t index = (size_t)((char *)info->si_addr - map) / page;

    (void)number;
    (void)context;
    if (index >= pages)
        _exit(1);
    __atomic_fetch_add(&faults, 1, __ATOMIC_SEQ_CST);
    dirty[index] = 1;
    mprotect(map + index * page, page, PROT_READ | PROT_WRITE);
}

static void *work(void *argument) {
    uint64_t state = (uintptr_t)argument;

    for (int i = 0; i < 2000; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        __atomic_fetch_add(&map[(state >> 30) % (pages * page)], 1, __ATOMIC_RELAXED);
    }
    return NULL;
}

int main(void) {
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER};
    pthread_t ids[3];

    map = mmap(NULL, pages * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(map != MAP_FAILED && sigaction(SIGSEGV, &action, NULL) == 0);
    for (int round = 0; round < 3; round++) {
        int count = 0;
        memset(dirty, 0, sizeof dirty);
        CHECK(mprotect(map, pages * page, PROT_READ) == 0);
        for (int i = 0; i < 3; i++)
            CHECK(pthread_create(&ids[i], NULL, work, (void *)random_word()) == 0);
        for (int i = 0; i < 3; i++)
            CHECK(pthread_join(ids[i], NULL) == 0);
        for (int i = 0; i < pages; i++)
            count += dirty[i];
        printf("%d pages by %d faults: %016llx\n", count, faults, (unsigned long long)hash_of(map, pages * page));
    }
    return 0;
}
