/* exit: 0 */
/* NUMA memory policies: asked, set, of a range, and where pages lie. */
#include "check.h"

#include <sys/mman.h>
#include <sys/syscall.h>

int main(void) {
    unsigned long mask[16] = {1}, got[16] = {0};
    int mode = -1;

    char *map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    map[0] = 1;
    long result = syscall(SYS_get_mempolicy, &mode, got, 1024l, NULL, 0l);
    if (absent(result, "memory policies"))
        return 0;
    printf("mode %d, nodes %lx\n", mode, got[0]);
    CHECK(syscall(SYS_set_mempolicy, 1 /* MPOL_PREFERRED */, mask, 1024l) == 0);
    CHECK(syscall(SYS_mbind, map, 8192l, 2 /* MPOL_BIND */, mask, 1024l, 0) == 0);
    CHECK(syscall(SYS_get_mempolicy, &mode, got, 1024l, map, 2l /* MPOL_F_ADDR */) == 0 && mode == 2 && got[0] == 1);
    void *pages[] = {map, map + 4096};
    int places[2] = {-1, -1};
    CHECK(syscall(SYS_move_pages, 0, 2l, pages, NULL, places, 0) == 0);
    printf("pages on %d and %d\n", places[0], places[1]);
    result = syscall(SYS_migrate_pages, 0, 1024l, mask, mask);
    printf("migrated %ld\n", result);
    result = syscall(450 /* set_mempolicy_home_node */, map, 8192l, 0l, 0l);
    CHECK(result == 0 || absent(result, "set_mempolicy_home_node"));
    CHECK(syscall(SYS_set_mempolicy, 0, NULL, 0l) == 0);
    return 0;
}
