/* exit: 0 */
/* needs: root */
/* chroot, and what paths mean below it. */
#include "check.h"

#include <fcntl.h>
#include <sys/stat.h>

int main(void) {
    char text[4096];
    struct stat before, after;

    CHECK(mkdir("root", 0755) == 0 && mkdir("root/sub", 0755) == 0 && stat("root", &before) == 0);
    CHECK(close(open("root/file", O_CREAT | O_WRONLY, 0600)) == 0);
    pid_t child = fork();
    if (child == 0) {
        CHECK(chroot("root") == 0);
        CHECK(readlink("/proc/self/exe", text, sizeof text) == -1 && errno == ENOENT);
        CHECK(chdir("/sub") == 0 && getcwd(text, sizeof text) && strcmp(text, "/sub") == 0);
        CHECK(stat("/../..", &after) == 0 && after.st_ino == before.st_ino && access("/file", R_OK) == 0);
        printf("%d in %s, root is %lu\n", getpid(), text, (long)after.st_ino);
        _exit(0);
    }
    join(child, 0);
    CHECK(chroot("missing") == -1 && errno == ENOENT);
    return 0;
}
