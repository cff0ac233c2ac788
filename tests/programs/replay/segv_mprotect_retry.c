/* exit: 0 */
/* A SIGSEGV handler that makes the page accessible, so that the instruction is done again. */
#include "check.h"

#include <signal.h>
#include <sys/mman.h>

enum { page = 4096, pages = 50 };

static char *map;
static volatile int faults;

static void on_fault(int number, siginfo_t *info, void *context) {
    char *place = info->si_addr;

    (void)number;
    (void)context;
    if (place < map || place >= map + pages * page)
        _exit(1);
    faults++;
    mprotect(map + (place - map) / page * page, page, PROT_READ | PROT_WRITE);
}

int main(void) {
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};

    CHECK(sigaction(SIGSEGV, &action, NULL) == 0);
    map = mmap(NULL, pages * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(map != MAP_FAILED);
    uint64_t state = random_word();
    for (int i = 0; i < 1000; i++) {
        state = state * 6364136223846793005u + 1;
        map[state >> 32 & 31 ? (state >> 40) % (pages * page) : 0] += (char)i;
    }
    CHECK(mprotect(map, pages * page, PROT_READ) == 0);
    int before = faults;
    map[5] ^= 1;
    CHECK(faults == before + 1);
    printf("%d faults, %016llx\n", faults, (unsigned long long)hash_of(map, pages * page));
    return 0;
}
