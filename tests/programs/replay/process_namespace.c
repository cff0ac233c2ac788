/* exit: 0 */
/* needs: root */
/* A child in a process namespace of its own, where its number is 1, and a mount that only it sees. */
#include "check.h"

#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>

static int work(void *unused) {
    struct statfs status;

    (void)unused;
    printf("inside it is %d of %d\n", getpid(), getppid());
    CHECK(getpid() == 1);
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 && mount("x", "mounted", "tmpfs", 0, "size=64k") == 0) {
        CHECK(statfs("mounted", &status) == 0);
        printf("mounted %ld blocks\n", (long)status.f_blocks);
        CHECK(umount2("mounted", MNT_DETACH) == 0);
    }
    pid_t child = fork();
    if (child == 0)
        _exit(getpid() == 2 ? 4 : 1);
    CHECK(child == 2);
    join(child, 4);
    return 8;
}

int main(void) {
    char *stack = malloc(65536);

    CHECK(mkdir("mounted", 0700) == 0);
    pid_t child = clone(work, stack + 65536, CLONE_NEWPID | CLONE_NEWNS | SIGCHLD, NULL);
    if (absent(child, "CLONE_NEWPID"))
        return 0;
    CHECK(child > 0);
    join(child, 8);
    printf("outside it was %d\n", child);
    return 0;
}
