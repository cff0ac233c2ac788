/* exit: 0 */
/* The environment, as the start left it on the stack and as the program changes it. */
#include "check.h"

extern char **environ;

int main(int argc, char **argv) {
    for (char **variable = environ; *variable; variable++)
        printf("%s\n", *variable);
    CHECK(setenv("RETROGRADE_TEST", "a value", 1) == 0 && strcmp(getenv("RETROGRADE_TEST"), "a value") == 0);
    CHECK(unsetenv("RETROGRADE_TEST") == 0 && !getenv("RETROGRADE_TEST"));
    for (int i = 0; i < argc; i++)
        printf("argument %d: %s\n", i, argv[i]);
    printf("the stack's strings are near %p, invoked as %s\n", (void *)argv[0], program_invocation_name);
    return 0;
}
