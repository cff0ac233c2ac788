/* exit: 0 */
/* The CPUs that a program may use and does: affinity, getcpu, and what the C library counts. */
#include "check.h"

#include <sched.h>
#include <sys/sysinfo.h>

int main(void) {
    cpu_set_t set, one;
    unsigned processor, node;

    CHECK(sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0);
    CHECK(getcpu(&processor, &node) == 0);
    printf("may use %d, has %d, on %u of node %u, %d\n", CPU_COUNT(&set), get_nprocs(), processor, node,
           sched_getcpu());
    for (int i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, &set)) {
            CPU_ZERO(&one);
            CPU_SET(i, &one);
            CHECK(sched_setaffinity(0, sizeof one, &one) == 0);
            printf("bound to %d, on %d\n", i, sched_getcpu());
        }
    CHECK(sched_setaffinity(0, sizeof set, &set) == 0);
    CPU_ZERO(&one);
    CHECK(sched_setaffinity(0, sizeof one, &one) == -1 && errno == EINVAL);
    CHECK(sched_getaffinity(getppid(), sizeof set, &set) == 0);
    return 0;
}
