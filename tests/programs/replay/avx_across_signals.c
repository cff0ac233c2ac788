/* exit: 0 */
/* arch: x86_64 */
/* The upper halves of the AVX registers, and AVX-512's masks where there are any, survive handlers that clear them. */
#include "check.h"

#include <signal.h>
#include <sys/time.h>

static volatile int count;
static int avx, avx512;

static void on_alarm(int number) {
    (void)number;
    if (avx)
        __asm__ volatile("vzeroall" ::: "memory");
    if (avx512)
        __asm__ volatile("kxorw %%k1, %%k1, %%k1; vpxorq %%zmm20, %%zmm20, %%zmm20" ::: "memory");
    count++;
}

int main(void) {
    struct sigaction action = {.sa_handler = on_alarm};
    struct itimerval timer = {{0, 2000}, {0, 2000}};
    uint64_t in[16], out[16], rounds = 0;

    avx = __builtin_cpu_supports("avx2");
    avx512 = __builtin_cpu_supports("avx512f");
    fill_random(in, sizeof in);
    in[15] &= 0xffff;
    memcpy(out, in, sizeof in);
    CHECK(sigaction(SIGALRM, &action, NULL) == 0 && setitimer(ITIMER_REAL, &timer, NULL) == 0);
    while (count < 10) {
        if (avx512)
            __asm__ volatile("vmovdqu64 %2, %%zmm20; kmovw %3, %%k1\n\t"
                             "mov $20000, %%ecx\n"
                             "1: dec %%ecx; jnz 1b\n\t"
                             "vmovdqu64 %%zmm20, %0; kmovw %%k1, %1"
                             : "=m"(*(char(*)[64])out), "=m"(*(uint16_t *)&out[15])
                             : "m"(*(char(*)[64])in), "m"(*(uint16_t *)&in[15])
                             : "ecx", "memory");
        if (avx)
            __asm__ volatile("vmovdqu %2, %%ymm3; vmovdqu %3, %%ymm12\n\t"
                             "mov $20000, %%ecx\n"
                             "1: dec %%ecx; jnz 1b\n\t"
                             "vmovdqu %%ymm3, %0; vmovdqu %%ymm12, %1; vzeroupper"
                             : "=m"(*(char(*)[32])out), "=m"(*(char(*)[32])(out + 8))
                             : "m"(*(char(*)[32])in), "m"(*(char(*)[32])(in + 8))
                             : "ecx", "xmm3", "xmm12", "memory");
        CHECK(memcmp(in, out, sizeof in) == 0);
        rounds++;
    }
    printf("avx %d, avx512 %d: %llu rounds, %016llx\n", avx, avx512, (unsigned long long)rounds,
           (unsigned long long)hash_of(out, sizeof out));
    return 0;
}
