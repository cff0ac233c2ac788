/* exit: 0 */
/* arch: x86_64 */
/* The flags register across signals: the direction flag is clear in a handler and set again after it. */
#include "check.h"

#include <signal.h>

static volatile int count, wrong;

static void on_alarm(int number) {
    unsigned long flags;

    (void)number;
    __asm__ volatile("pushfq; popq %0" : "=r"(flags));
    wrong |= (flags & 0x400) != 0;
    count++;
}

int main(void) {
    unsigned long flags = 0;
    uint64_t rounds = 0;

    signal(SIGALRM, on_alarm);
    ualarm(1500, 1500);
    while (count < 6) {
        __asm__ volatile("std\n\t"
                         "mov $50000, %%ecx\n"
                         "1: dec %%ecx; jnz 1b\n\t"
                         "lea -128(%%rsp), %%rsp; pushfq; popq %0; lea 128(%%rsp), %%rsp; cld"
                         : "=r"(flags)
                         :
                         : "ecx", "cc", "memory");
        CHECK(flags & 0x400);
        rounds++;
    }
    CHECK(!wrong);
    printf("%llu rounds, flags %lx\n", (unsigned long long)rounds, flags & ~0xd5ul);
    return 0;
}
