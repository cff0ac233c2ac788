/* Adds to a counter by load-exclusive and store-exclusive, as programs do on processors without atomic instructions. */
#include <unistd.h>

static long counter;

__attribute__((noinline)) static long add(long n) {
    long value;
    int failed;
    __asm__ volatile("1: ldaxr %0, [%3]\n"
                     "   add %0, %0, %4\n"
                     "   stlxr %w1, %0, [%3]\n"
                     "   cbnz %w1, 1b\n"
                     : "=&r"(value), "=&r"(failed), "+m"(counter)
                     : "r"(&counter), "r"(n)
                     : "memory");
    return value;
}

int main(void) {
    long sum = 0;
    for (long i = 1; i <= 4; i++)
        sum += add(i);
    getppid();
    return (int)sum;
}
