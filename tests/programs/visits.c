/* Comes by one function eight times, some 50 ms apart, with one call halfway. */
#include <unistd.h>

static int visits;

static void visit(int number) {
    visits += number;
}

int main(void) {
    for (int i = 0; i < 8; i++) {
        for (volatile int j = 0; j < 25000000; j++)
            continue;
        visit(i);
        if (i == 3)
            getppid();
    }
    return 0;
}
