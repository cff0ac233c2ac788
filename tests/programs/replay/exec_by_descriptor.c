/* exit: 0 */
/* fexecve and execveat, by an empty path and below a folder's descriptor. */
#include "check.h"

#include <fcntl.h>
#include <sys/syscall.h>

extern char **environ;

int main(int argc, char **argv) {
    char path[4096];

    (void)argv;
    printf("%d arguments in %d, %s\n", argc, getpid(), program_invocation_short_name);
    if (argc == 3)
        return 0;
    int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    CHECK(self >= 0);
    if (argc == 1) {
        fexecve(self, (char *[]){"first", "x", NULL}, environ);
        return 1;
    }
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    CHECK(length > 0);
    path[length] = 0;
    char *name = strrchr(path, '/');
    *name++ = 0;
    int folder = open(*path ? path : "/", O_PATH | O_DIRECTORY);
    CHECK(syscall(SYS_execveat, folder, "missing", argv, environ, 0) == -1 && errno == ENOENT);
    syscall(SYS_execveat, folder, name, (char *[]){"second", "x", "y", NULL}, environ, 0);
    return 1;
}
