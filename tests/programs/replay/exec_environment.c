/* exit: 0 */
/* execve with another environment, empty and full, and no arguments at all but the name. */
#include "check.h"

extern char **environ;

int main(int argc, char **argv) {
    char variable[64];

    printf("%d: %s, %d arguments\n", getpid(), argv[0], argc);
    for (char **at = environ; *at; at++)
        if (strncmp(*at, "STEP", 4) == 0)
            printf("%s\n", *at);
    const char *step = getenv("STEP");
    if (step && strcmp(step, "empty next") == 0) {
        execve("/proc/self/exe", (char *[]){"third", NULL}, (char *[]){NULL});
        return 1;
    }
    if (strcmp(argv[0], "third") == 0) {
        CHECK(!environ[0]);
        return 0;
    }
    snprintf(variable, sizeof variable, "STEP_WORD=%016llx", (unsigned long long)random_word());
    execve("/proc/self/exe", (char *[]){"second", NULL}, (char *[]){"STEP=empty next", variable, NULL});
    return 1;
}
