/* exit: 0 */
/* System calls made by code that the program wrote itself, in pages that soon hold something else or are gone. */
#include "check.h"

#include <sys/mman.h>
#include <sys/syscall.h>

typedef long function(void);

static void *generate(void *place, int number) {
#ifdef __x86_64__
    unsigned char code[] = {0xb8, number & 0xff, number >> 8, 0,
                            0,    0x0f,          0x05,        0xc3}; /* mov eax, number; syscall; ret */
#else
    uint32_t code[] = {0xd2800008u | (uint32_t)number << 5, 0xd4000001u, 0xd65f03c0u}; /* mov x8, number; svc 0; ret */
#endif
    memcpy(place, code, sizeof code);
    __builtin___clear_cache((char *)place, (char *)place + sizeof code);
    return place;
}

int main(void) {
    const int all = PROT_READ | PROT_WRITE | PROT_EXEC, flags = MAP_PRIVATE | MAP_ANONYMOUS;

    for (int i = 0; i < 20; i++) {
        /* at odd places, across the border of two pages too */
        char *page = mmap(NULL, 8192, all, flags, -1, 0);
        CHECK(page != MAP_FAILED);
#ifdef __x86_64__
        char *place = page + 4096 - i % 9;
#else
        char *place = page + 4096 - i % 4 * 4;
#endif
        long pid = ((function *)generate(place, SYS_getpid))(), parent = ((function *)generate(place, SYS_getppid))();
        long user = ((function *)generate(place, SYS_geteuid))();
        CHECK(pid == getpid() && parent == getppid() && user == (long)geteuid());
        printf("%ld %ld %ld from %p\n", pid, parent, user, (void *)place);
        CHECK(i % 2 || munmap(page, 8192) == 0);
    }
    return 0;
}
