/* exit: 0 */
/* Every resource limit, asked, changed, inherited, and running into them. */
#include "check.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>

int main(void) {
    struct rlimit limit, old;

    for (int i = 0; i < (int)RLIMIT_NLIMITS; i++) {
        CHECK(getrlimit(i, &limit) == 0);
        printf("%d: %llx of %llx\n", i, (unsigned long long)limit.rlim_cur, (unsigned long long)limit.rlim_max);
    }
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = 20;
    CHECK(prlimit(0, RLIMIT_NOFILE, &limit, &old) == 0);
    int fd;
    while ((fd = dup(0)) >= 0)
        CHECK(fd < 20);
    CHECK(errno == EMFILE);
    CHECK(getrlimit(RLIMIT_AS, &limit) == 0);
    limit.rlim_cur = 1 << 30;
    CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
    CHECK(mmap(NULL, 2ul << 30, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == ENOMEM);
    volatile size_t much = 2ul << 30;
    CHECK(!malloc(much));
    pid_t child = fork();
    if (child == 0)
        _exit(getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur == 1 << 30 ? 0 : 1);
    CHECK(prlimit(child, RLIMIT_CPU, NULL, &old) == 0);
    join(child, 0);
    CHECK(getrlimit(1000, &limit) == -1 && errno == EINVAL);
    return 0;
}
