/* exit: 0 */
/* The rarer settings of prctl, each asked and some changed. */
#include "check.h"

#include <elf.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

int main(void) {
    uint64_t auxiliary[128] = {0}, cookie = 0;
    int value = 77, *address = NULL;
    unsigned size = 0;

    int result = prctl(PR_GET_TSC, &value);
    printf("time stamp counter %d: %d\n", result, value);
    value = 77;
    CHECK(prctl(PR_GET_CHILD_SUBREAPER, &value) == 0 && value == 0);
    result = prctl(PR_GET_TID_ADDRESS, &address);
    printf("tid's address %d: %p\n", result, (void *)address);
    int length = prctl(0x41555856 /* PR_GET_AUXV */, auxiliary, sizeof auxiliary, 0, 0);
    if (!absent(length, "PR_GET_AUXV") && length > 0)
        printf("auxiliary vector of %d: %016llx\n", length, (unsigned long long)hash_of(auxiliary, (size_t)length));
    result = prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 5, 0, 0);
    printf("ambient %d, speculation %d\n", result, prctl(PR_GET_SPECULATION_CTRL, PR_SPEC_STORE_BYPASS, 0, 0, 0));
    char *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    result = prctl(0x53564d41 /* PR_SET_VMA */, 0, map, 4096, "a named map");
    printf("named map %d at %p\n", result, (void *)map);
    result = prctl(PR_SCHED_CORE, PR_SCHED_CORE_GET, 0, 0, &cookie);
    printf("core scheduling %d: %llx\n", result, (unsigned long long)cookie);
    result = prctl(PR_SET_MM, PR_SET_MM_MAP_SIZE, &size, 0, 0);
    printf("description of memory %d: %u bytes\n", result, size);
    CHECK(prctl(PR_SET_DUMPABLE, 0) == 0 && prctl(PR_GET_DUMPABLE) == 0 && prctl(PR_SET_DUMPABLE, 1) == 0);
    result = prctl(PR_SET_PTRACER, getppid(), 0, 0, 0);
    printf("tracer %d, machine checks %d, io flusher %d\n", result, prctl(PR_MCE_KILL_GET, 0, 0, 0, 0),
           prctl(PR_GET_IO_FLUSHER, 0, 0, 0, 0));
    pid_t child = fork();
    if (child == 0) {
        result = prctl(65 /* PR_SET_MDWE */, 1, 0, 0, 0);
        void *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        printf("writable or executable %d, map %d\n", result, code != MAP_FAILED);
        CHECK((result == 0) == (code == MAP_FAILED));
        _exit(0);
    }
    join(child, 0);
    return 0;
}
