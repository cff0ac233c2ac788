/* Saves its flags and restores them, which single steps must not show in. */
#include <stdio.h>

__attribute__((noinline)) static unsigned long flags_again(void) {
    unsigned long flags;

    __asm__ volatile("pushfq\n\tpopfq\n\tnop\n\tnop\n\tpushfq\n\tpop %0" : "=r"(flags));
    return flags;
}

int main(void) {
    unsigned long flags = flags_again();

    printf("%lx\n", flags & 0x100);
    return 0;
}
