/* exit: 0 */
/* mkdir, rename, link, symlink, readlink, unlink, rmdir, mknod, chdir and getcwd, and the same by descriptor. */
#include "check.h"

#include <fcntl.h>
#include <sys/stat.h>

int main(void) {
    char text[4096];

    CHECK(mkdir("a", 0700) == 0 && mkdir("a", 0700) == -1 && errno == EEXIST);
    int folder = open("a", O_PATH | O_DIRECTORY), home = open(".", O_RDONLY);
    CHECK(folder >= 0 && mkdirat(folder, "b", 0755) == 0);
    CHECK(close(openat(folder, "file", O_CREAT | O_WRONLY, 0600)) == 0);
    CHECK(link("a/file", "second") == 0 && linkat(folder, "file", folder, "third", 0) == 0);
    CHECK(rename("second", "moved") == 0 && renameat(folder, "third", AT_FDCWD, "third") == 0);
    CHECK(renameat2(AT_FDCWD, "third", AT_FDCWD, "moved", RENAME_NOREPLACE) == -1 && errno == EEXIST);
    CHECK(symlink("a/file", "link") == 0 && symlinkat("b", folder, "soft") == 0);
    CHECK(readlink("link", text, sizeof text) == 6 && memcmp(text, "a/file", 6) == 0);
    CHECK(readlinkat(folder, "soft", text, sizeof text) == 1);
    CHECK(mkfifo("fifo", 0600) == 0 && mknodat(folder, "node", S_IFREG | 0600, 0) == 0);
    CHECK(chdir("a/b") == 0 && getcwd(text, sizeof text));
    printf("in %s\n", text);
    CHECK(fchdir(home) == 0 && getcwd(text, sizeof text));
    printf("back in %s\n", text);
    CHECK(getcwd(text, 1) == NULL && errno == ERANGE);
    CHECK(rmdir("a") == -1 && errno == ENOTEMPTY && unlink("a") == -1);
    CHECK(unlinkat(folder, "b", AT_REMOVEDIR) == 0 && unlink("a/file") == 0 && unlinkat(folder, "soft", 0) == 0);
    CHECK(unlink("a/node") == 0 && rmdir("a") == 0);
    ssize_t length = readlink("/proc/self/exe", text, sizeof text - 1);
    CHECK(length > 0);
    printf("program %.*s\n", (int)length, text);
    return 0;
}
