/* exit: 0 */
/* unshare and setns: descriptors and folder of a thread, a user namespace of one's own, and a process's namespaces. */
#include "check.h"

#include <fcntl.h>
#include <sched.h>

int main(void) {
    char text[100];

    ssize_t length = readlink("/proc/self/ns/mnt", text, sizeof text);
    CHECK(length > 0);
    printf("%.*s\n", (int)length, text);
    CHECK(unshare(CLONE_FILES | CLONE_FS) == 0 && unshare(0x1) == -1 && errno == EINVAL);
    pid_t child = fork();
    if (child == 0) {
        int result = unshare(CLONE_NEWUSER | CLONE_NEWUTS);
        if (result == -1) {
            printf("no user namespace: %s\n", strerror(errno));
            _exit(0);
        }
        printf("%d is user %u here\n", getpid(), getuid());
        CHECK(sethostname("elsewhere", 9) == 0 && setdomainname("domain", 6) == 0);
        CHECK(gethostname(text, sizeof text) == 0 && strcmp(text, "elsewhere") == 0);
        int map = open("/proc/self/uid_map", O_WRONLY);
        ssize_t wrote = write(map, "0 0 1", 5);
        printf("map %zd, now %u\n", wrote, getuid());
        _exit(0);
    }
    join(child, 0);
    int own = open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC);
    int result = setns(own, CLONE_NEWUTS);
    CHECK(result == 0 || absent(result, "setns"));
    CHECK(setns(0x7fff, 0) == -1 && errno == EBADF);
    return 0;
}
