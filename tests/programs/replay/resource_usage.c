/* exit: 0 */
/* getrusage of the process, the thread and its children. */
#include "check.h"

#include <sys/resource.h>

static void show(const char *name, int who) {
    struct rusage usage;

    CHECK(getrusage(who, &usage) == 0);
    printf("%s: user %ld.%06ld, system %ld.%06ld, most memory %ld, faults %ld %ld, switches %ld %ld\n", name,
           usage.ru_utime.tv_sec, (long)usage.ru_utime.tv_usec, usage.ru_stime.tv_sec, (long)usage.ru_stime.tv_usec,
           usage.ru_maxrss, usage.ru_minflt, usage.ru_majflt, usage.ru_nvcsw, usage.ru_nivcsw);
}

int main(void) {
    struct rusage usage;
    int status;

    pid_t child = fork();
    if (child == 0)
        _exit(3);
    CHECK(wait4(child, &status, 0, &usage) == child && WEXITSTATUS(status) == 3);
    printf("child %d: most memory %ld, faults %ld\n", child, usage.ru_maxrss, usage.ru_minflt);
    show("self", RUSAGE_SELF);
    show("thread", RUSAGE_THREAD);
    show("children", RUSAGE_CHILDREN);
    CHECK(getrusage(1234, &usage) == -1 && errno == EINVAL);
    return 0;
}
