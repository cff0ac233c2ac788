/* exit: 0 */
/* system and popen: a shell with a pipeline of its own. */
#include "check.h"

int main(void) {
    char line[200];
    int status = system("echo $$; exit 3");

    CHECK(status == -1 || (WIFEXITED(status) && (WEXITSTATUS(status) == 3 || WEXITSTATUS(status) == 127)));
    FILE *pipe = popen("printf 'b\\na\\nc\\n' | sort | tr a-z A-Z; echo $PPID", "r");
    CHECK(pipe);
    while (fgets(line, sizeof line, pipe))
        printf("%d read: %s", getpid(), line);
    CHECK(pclose(pipe) == 0);
    pipe = popen("cat > written", "w");
    CHECK(pipe && fprintf(pipe, "%016llx\n", (unsigned long long)random_word()) == 17 && pclose(pipe) == 0);
    FILE *file = fopen("written", "r");
    CHECK(file && fgets(line, sizeof line, file));
    printf("written: %s", line);
    return 0;
}
