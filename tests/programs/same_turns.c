/* Turns of a loop that leave the same in all registers, and others on the stack alone. */
#include <unistd.h>

static volatile int visits;

static int nothing(void) {
    return visits & 0;
}

static void visit(void) {
    visits += 1 + nothing();
}

int main(void) {
    for (volatile int i = 0; i < 12; i++) {
        for (volatile int j = 0; j < 1000; j++)
            continue;
        nothing();
        visit();
    }
    return getppid() == 0;
}
