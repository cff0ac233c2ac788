/* usage: fails_late TICKS - computes so many ticks of about 1 ms, with a system call every 16 of them, and aborts.
 * After a tenth of them it writes `victim`, for the last time. */
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

volatile long victim;
volatile unsigned long state = 1;

__attribute__((noinline)) void tick(long number) {
    unsigned long value = state + (unsigned long)number;
    for (int n = 0; n < 600000; n++)
        value = value * 6364136223846793005ul + 1442695040888963407ul;
    state = value;
}

__attribute__((noinline)) void corrupt(long number) {
    victim = number;
}

int main(int argc, char **argv) {
    long ticks = argc > 1 ? atol(argv[1]) : 1000;

    for (long number = 0; number < ticks; number++) {
        tick(number);
        if (number == ticks / 10)
            corrupt(number);
        if (number % 16 == 0)
            syscall(SYS_getppid);
    }
    abort();
}
