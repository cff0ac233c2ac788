/* signal: SIGALRM */
/* An alarm set before an exec is fatal for the program after it, which computes. */
#include "check.h"

static volatile uint64_t counter;

int main(int argc, char **argv) {
    if (argc == 1) {
        ualarm(30000, 0);
        printf("%d executes\n", getpid());
        execl("/proc/self/exe", argv[0], "again", NULL);
        return 1;
    }
    printf("%d computes\n", getpid());
    for (;;)
        counter++;
}
