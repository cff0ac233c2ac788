/* exit: 0 */
/* A program that executes itself with 64 KiB of arguments and as much of environment. */
#include "check.h"

enum { count = 1024, size = 64 };

int main(int argc, char **argv) {
    static char words[2 * count][size];
    static char *arguments[count + 2], *environment[count + 1];

    if (argc == 1) {
        arguments[0] = argv[0];
        for (int i = 0; i < count; i++) {
            snprintf(words[i], size, "%0*d", size - 1, i + getpid());
            snprintf(words[count + i], size, "V%d=%0*d", i, 50, i);
            arguments[i + 1] = words[i];
            environment[i] = words[count + i];
        }
        printf("executes as %d\n", getpid());
        execve("/proc/self/exe", arguments, environment);
        return 1;
    }
    CHECK(argc == count + 1);
    uint64_t sum = 0;
    for (int i = 1; i < argc; i++) {
        CHECK(strlen(argv[i]) == size - 1 && atoi(argv[i]) == i - 1 + getpid());
        sum = sum * 31 + hash_of(argv[i], size);
    }
    CHECK(atoi(getenv("V1023")) == 1023);
    printf("%d arguments from %p on, hash %016llx\n", argc, (void *)argv[1], (unsigned long long)sum);
    return 0;
}
