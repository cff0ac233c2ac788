/* Comes by one function VISITS times, with TURNS of a loop before each, and a call halfway. */
#include <unistd.h>

static int visits;

static void visit(int number) {
    visits += number;
}

int main(void) {
    for (int i = 0; i < VISITS; i++) {
        for (volatile int j = 0; j < TURNS; j++)
            continue;
        visit(i);
        if (i == VISITS / 2)
            getppid();
    }
    return 0;
}
