/* exit: 0 */
/* Signals strike a loop whose registers are the same in every round: only memory tells one round from another. */
#include "check.h"

#include <signal.h>

static volatile uint64_t counter;
static volatile int count;
static volatile uint64_t seen[8];

static void on_alarm(int number) {
    (void)number;
    if (count < 8)
        seen[count] = counter;
    count++;
}

int main(void) {
    signal(SIGALRM, on_alarm);
    ualarm(2000, 2000);
#ifdef __x86_64__
    __asm__ volatile("1: incq %0; cmpl $8, %1; jl 1b" : "+m"(counter) : "m"(count) : "cc", "memory");
#else
    uint64_t scratch;
    __asm__ volatile("1: ldr %0, [%1]; add %0, %0, #1; str %0, [%1]; ldr %w0, [%2]; cmp %w0, #8; mov %0, #0; b.lt 1b"
                     : "=&r"(scratch)
                     : "r"(&counter), "r"(&count)
                     : "cc", "memory");
#endif
    ualarm(0, 0);
    for (int i = 0; i < 8; i++)
        printf("%llu\n", (unsigned long long)seen[i]);
    printf("ended at %llu\n", (unsigned long long)counter);
    return 0;
}
