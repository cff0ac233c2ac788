/* exit: 0 */
/* execve that fails: no file, no permission, no program, too much of arguments; the caller goes on. */
#include "check.h"

#include <fcntl.h>

static char *nothing[] = {NULL};

static void fails(const char *name, int error) {
    CHECK(execve(name, (char *[]){"x", NULL}, nothing) == -1 && errno == error);
    printf("%s: %s, still %d\n", name, strerror(error), getpid());
}

int main(void) {
    static char *many[5000];
    static char large[4096];
    char *volatile nowhere = (char *)8;

    CHECK(close(open("no-permission", O_CREAT | O_WRONLY, 0600)) == 0);
    int file = open("no-program", O_CREAT | O_WRONLY, 0700);
    CHECK(write(file, "nothing that runs", 17) == 17 && close(file) == 0);
    file = open("script", O_CREAT | O_WRONLY, 0700);
    CHECK(write(file, "#!/does/not/exist\n", 18) == 18 && close(file) == 0);
    fails("missing", ENOENT);
    fails("no-permission", EACCES);
    fails("no-program", ENOEXEC);
    fails("script", ENOENT);
    fails(".", EACCES);
    fails("no-program/below", ENOTDIR);
    memset(large, 'x', sizeof large - 1);
    for (size_t i = 0; i < COUNT(many) - 1; i++)
        many[i] = large;
    CHECK(execve("/proc/self/exe", many, nothing) == -1 && errno == E2BIG);
    CHECK(execve(nowhere, nothing, nothing) == -1 && errno == EFAULT);
    return 0;
}
