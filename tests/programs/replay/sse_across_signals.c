/* exit: 0 */
/* arch: x86_64 */
/* SSE and x87 registers and the rounding mode keep their values while handlers use them for something else. */
#include "check.h"

#include <signal.h>
#include <sys/time.h>

static volatile int count;
static volatile double scratch = 1;

static void on_alarm(int number) {
    __asm__ volatile("pxor %%xmm0, %%xmm0; pxor %%xmm1, %%xmm1; pxor %%xmm7, %%xmm7; pxor %%xmm15, %%xmm15; fninit" ::
                         : "xmm0", "xmm1", "xmm7", "xmm15");
    scratch = scratch * 1.5 + number;
    count++;
}

int main(void) {
    struct sigaction action = {.sa_handler = on_alarm};
    struct itimerval timer = {{0, 2000}, {0, 2000}};
    uint64_t in[4], out[4];
    unsigned control = 0x5f80, got = 0; /* rounding upward */
    uint64_t rounds = 0;
    long double x87 = 1.0L / 3;

    fill_random(in, sizeof in);
    CHECK(sigaction(SIGALRM, &action, NULL) == 0 && setitimer(ITIMER_REAL, &timer, NULL) == 0);
    while (count < 10) {
        long double x87_out;
        __asm__ volatile("ldmxcsr %5\n\t"
                         "fldt %6\n\t"
                         "movq %7, %%xmm0; movq %8, %%xmm1; movq %9, %%xmm7; movq %10, %%xmm15\n\t"
                         "mov $20000, %%ecx\n"
                         "1: dec %%ecx; jnz 1b\n\t"
                         "movq %%xmm0, %0; movq %%xmm1, %1; movq %%xmm7, %2; movq %%xmm15, %3\n\t"
                         "fstpt %4\n\t"
                         : "=m"(out[0]), "=m"(out[1]), "=m"(out[2]), "=m"(out[3]), "=m"(x87_out)
                         : "m"(control), "m"(x87), "m"(in[0]), "m"(in[1]), "m"(in[2]), "m"(in[3])
                         : "ecx", "xmm0", "xmm1", "xmm7", "xmm15", "memory");
        __asm__ volatile("stmxcsr %0" : "=m"(got));
        CHECK(memcmp(in, out, sizeof in) == 0 && x87_out == x87 && (got & 0xffc0) == (control & 0xffc0));
        rounds++;
    }
    printf("%llu rounds, %016llx, %x, %a\n", (unsigned long long)rounds, (unsigned long long)hash_of(out, sizeof out),
           got, scratch);
    return 0;
}
