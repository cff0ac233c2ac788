/* exit: 0 */
/* userfaultfd, perf_event_open, rseq, bpf and ptrace: a program must live with their being refused. */
#include "check.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

int main(void) {
    struct perf_event_attr counting = {
        .type = PERF_TYPE_SOFTWARE, .size = sizeof counting, .config = PERF_COUNT_SW_TASK_CLOCK, .exclude_kernel = 1};
    static char area[64] __attribute__((aligned(32)));
    union bpf_attr map = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 8, .max_entries = 1};
    uint64_t count;

    int fault = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
    printf("userfaultfd: %s\n", fault >= 0 ? "there" : "not");
    CHECK(fault >= 0 || absent(fault, "userfaultfd"));
    int counter = (int)syscall(SYS_perf_event_open, &counting, 0, -1, -1, 0);
    if (counter >= 0) {
        CHECK(read(counter, &count, sizeof count) == 8);
        printf("used %llu ns\n", (unsigned long long)count);
    } else
        printf("perf_event_open: %s\n", strerror(errno));
    long result = syscall(SYS_rseq, area, 32, 0, 0x53053053);
    printf("rseq: %ld %s\n", result, result ? strerror(errno) : "");
    int array = (int)syscall(SYS_bpf, BPF_MAP_CREATE, &map, sizeof map);
    printf("bpf: %s\n", array >= 0 ? "there" : strerror(errno));
    pid_t child = fork();
    if (child == 0) {
        result = ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        _exit(result == 0 ? 0 : 50);
    }
    int status = status_of(child);
    CHECK(WIFEXITED(status));
    printf("ptrace: %d in %d\n", WEXITSTATUS(status), child);
    return 0;
}
