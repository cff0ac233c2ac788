/* exit: 0 */
/* SIGBUS: a map read beyond its file's end; the handler jumps out, or makes the file longer and lets it happen again.
 */
#include "check.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

static sigjmp_buf place;
static volatile int faults, mend;
static int file;

static void on_fault(int number, siginfo_t *info, void *context) {
    (void)number;
    (void)context;
    if (info->si_code != BUS_ADRERR)
        _exit(1);
    faults++;
    if (!mend)
        siglongjmp(place, 1);
    if (ftruncate(file, 3 * 4096))
        _exit(1);
}

int main(void) {
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};

    CHECK(sigaction(SIGBUS, &action, NULL) == 0);
    file = open("data", O_CREAT | O_RDWR, 0600);
    CHECK(ftruncate(file, 100) == 0);
    volatile char *map = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    volatile char *private = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
    CHECK(map != MAP_FAILED && private != MAP_FAILED && map[0] == 0 && map[4095] == 0);
    if (sigsetjmp(place, 1) == 0)
        map[4096] = 1;
    if (sigsetjmp(place, 1) == 0)
    private[8192] = 1;
    CHECK(faults == 2);
    mend = 1;
    map[8192] = 5;
    CHECK(faults == 3 && private[8192] == 5);
    printf("%d faults at %p\n", faults, (void *)map);
    return 0;
}
