/* exit: 0 */
/* The numbers that a process has: itself, its parent, its group and session, its users and groups. */
#include "check.h"

#include <grp.h>
#include <sys/fsuid.h>

int main(void) {
    uid_t real, effective, saved;
    gid_t groups[256];

    printf("pid %d, tid %d, parent %d, group %d %d, session %d\n", getpid(), gettid(), getppid(), getpgrp(), getpgid(0),
           getsid(0));
    CHECK(gettid() == getpid() && getpgrp() == getpgid(0));
    CHECK(getresuid(&real, &effective, &saved) == 0);
    printf("users %u %u %u, %u %u\n", real, effective, saved, getuid(), geteuid());
    CHECK(real == getuid() && effective == geteuid());
    CHECK(getresgid(&real, &effective, &saved) == 0);
    printf("groups %u %u %u, %u %u\n", real, effective, saved, getgid(), getegid());
    int count = getgroups(COUNT(groups), groups);
    CHECK(count >= 0);
    for (int i = 0; i < count; i++)
        printf("in group %u\n", groups[i]);
    printf("file system user %d, group %d\n", setfsuid((uid_t)-1), setfsgid((gid_t)-1));
    return 0;
}
