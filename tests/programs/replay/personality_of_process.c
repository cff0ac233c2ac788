/* exit: 0 */
/* What personality does: asked, and changed so that the next program lies at fixed addresses. */
#include "check.h"

#include <sys/personality.h>

int main(int argc, char **argv) {
    int now = personality(0xffffffff), local;

    printf("%x in %d: %p and %p\n", now, getpid(), (void *)main, (void *)&local);
    if (argc == 2) {
        CHECK(now & ADDR_NO_RANDOMIZE);
        return 0;
    }
    int before = personality((unsigned)now | ADDR_NO_RANDOMIZE);
    if (absent(before, "personality"))
        return 0;
    CHECK(before == now);
    execl("/proc/self/exe", argv[0], "again", NULL);
    return 1;
}
