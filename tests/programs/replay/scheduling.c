/* exit: 0 */
/* Scheduling policies, parameters, attributes, priorities and nice values, of CPU and of input and output. */
#include "check.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>

struct attributes {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
    uint32_t least, most;
};

int main(void) {
    struct sched_param parameters = {0};
    struct attributes attributes = {0};
    struct timespec interval;

    printf("policy %d, priorities %d to %d\n", sched_getscheduler(0), sched_get_priority_min(SCHED_FIFO),
           sched_get_priority_max(SCHED_FIFO));
    CHECK(sched_getparam(0, &parameters) == 0);
    int result = sched_rr_get_interval(0, &interval);
    printf("parameter %d, interval %d: %ld\n", parameters.sched_priority, result, interval.tv_nsec);
    CHECK(syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) == 0);
    printf("attributes: size %u, policy %u, nice %d\n", attributes.size, attributes.policy, attributes.nice);
    errno = 0;
    int nice_value = getpriority(PRIO_PROCESS, 0);
    CHECK(errno == 0 && setpriority(PRIO_PROCESS, 0, nice_value + 3) == 0);
    printf("nice %d, then %d\n", nice_value, getpriority(PRIO_PROCESS, 0));
    CHECK(nice(1) != -1 || errno == 0);
    parameters.sched_priority = 0;
    CHECK(sched_setscheduler(0, SCHED_BATCH, &parameters) == 0 && sched_getscheduler(0) == SCHED_BATCH);
    CHECK(sched_setparam(0, &parameters) == 0);
    attributes.size = sizeof attributes;
    attributes.policy = SCHED_OTHER;
    attributes.nice = getpriority(PRIO_PROCESS, 0);
    result = (int)syscall(SYS_sched_setattr, 0, &attributes, 0);
    printf("setattr %d\n", result);
    parameters.sched_priority = 5;
    result = sched_setscheduler(0, SCHED_FIFO, &parameters);
    CHECK(result == 0 || absent(result, "SCHED_FIFO"));
    printf("input and output %ld\n", (long)syscall(SYS_ioprio_get, 1, 0));
    CHECK(syscall(SYS_ioprio_set, 1, 0, 2 << 13 | 6) == 0 && syscall(SYS_ioprio_get, 1, 0) == (2 << 13 | 6));
    CHECK(sched_getscheduler(0x3fffffff) == -1 && errno == ESRCH);
    return 0;
}
