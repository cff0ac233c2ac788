/* usage: crunch MILLIONS - computes so many million steps on one thread, and makes no system call while it does. */
#include <stdio.h>
#include <stdlib.h>

static unsigned table[4096];

int main(int argc, char **argv) {
    long steps = (argc > 1 ? atol(argv[1]) : 100) * 1000000;
    unsigned state = 12345;

    for (long n = 0; n < steps; n++) {
        state = state * 1664525u + 1013904223u;
        table[state >> 20] += state & 255;
    }
    unsigned sum = 0;
    for (int n = 0; n < 4096; n++)
        sum = sum * 31 + table[n];
    printf("%u\n", sum);
    return 0;
}
