/* exit: 0 */
/* arch: arm64 */
/* SVE registers and predicates across signals, and another vector length, where the machine has them. */
#include "check.h"

#include <signal.h>
#include <sys/auxv.h>
#include <sys/prctl.h>

static volatile int count;

static void on_alarm(int number) {
    (void)number;
    __asm__ volatile(".arch_extension sve\n\tdup z5.b, #0\n\tpfalse p3.b" ::: "memory");
    count++;
}

int main(void) {
    static unsigned char in[256], out[256], mask_in[32], mask_out[32];
    uint64_t length = 0, rounds = 0;
    int asked = 0;

    if (!(getauxval(AT_HWCAP) & 1 << 22)) { /* HWCAP_SVE */
        printf("no SVE in %d\n", getpid());
        return 0;
    }
    printf("vector length %x\n", prctl(51 /* PR_SVE_GET_VL */));
    fill_random(in, sizeof in);
    fill_random(mask_in, sizeof mask_in);
    signal(SIGALRM, on_alarm);
    while (count < 6) {
        if (count == asked) { /* one at a time, however slow the machine is */
            ualarm(2000, 0);
            asked++;
        }
        __asm__ volatile(".arch_extension sve\n\t"
                         "ldr z5, [%1]; ldr p3, [%3]; rdvl %0, #1\n\t"
                         "mov w9, #20000\n"
                         "1: subs w9, w9, #1; b.ne 1b\n\t"
                         "str z5, [%2]; str p3, [%4]"
                         : "=&r"(length)
                         : "r"(in), "r"(out), "r"(mask_in), "r"(mask_out)
                         : "w9", "v5", "cc", "memory");
        CHECK(memcmp(in, out, length) == 0 && memcmp(mask_in, mask_out, length / 8) == 0);
        rounds++;
    }
    ualarm(0, 0);
    int result = prctl(50 /* PR_SVE_SET_VL */, 16);
    __asm__ volatile(".arch_extension sve\n\trdvl %0, #1" : "=r"(length));
    printf("%llu rounds, %016llx, then %x: length %llu\n", (unsigned long long)rounds,
           (unsigned long long)hash_of(out, 16), result, (unsigned long long)length);
    return 0;
}
