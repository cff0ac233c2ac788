/* exit: 0 */
/* A script whose interpreter is this very program. */
#include "check.h"

#include <fcntl.h>

int main(int argc, char **argv) {
    char text[5000], path[4096];

    if (argc > 1) {
        for (int i = 0; i < argc; i++)
            printf("argument %d of %d: %s\n", i, getpid(), argv[i]);
        CHECK(argc == 4 && strcmp(argv[1], "option") == 0 && strcmp(argv[3], "more") == 0);
        int file = open(argv[2], O_RDONLY);
        ssize_t size = read(file, text, sizeof text);
        CHECK(size > 0);
        printf("%.*s", (int)size, text);
        return 0;
    }
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    CHECK(length > 0 && length < 200);
    path[length] = 0;
    int size = snprintf(text, sizeof text, "#!%s option\n%016llx\n", path, (unsigned long long)random_word());
    int file = open("script", O_CREAT | O_WRONLY, 0700);
    CHECK(write(file, text, (size_t)size) == size && close(file) == 0);
    execl("./script", "script", "more", NULL);
    return 1;
}
