/* Turns of a loop that leave the same in all registers, and others on the stack alone. */
#include <unistd.h>

static volatile int visits;

/* Leaves the same in the registers of arguments and of results. */
static int clear(int a, int b, int c, int d) {
    return (a | b | c | d) & 0;
}

static void visit(void) {
    visits++;
}

int main(void) {
    for (volatile int i = 0; i < 12; i++) {
        for (volatile int j = 0; j < 1000; j++)
            continue;
        clear(0, 0, 0, 0);
        visit();
    }
    return getppid() == 0;
}
