/* exit: 0 */
/* arch: arm64 */
/* The virtual counter and its frequency, which programs read without a call. */
#include "check.h"

static uint64_t counter(void) {
    uint64_t value;

    __asm__ volatile("isb; mrs %0, cntvct_el0" : "=r"(value) : : "memory");
    return value;
}

int main(void) {
    uint64_t frequency, last = counter();

    __asm__("mrs %0, cntfrq_el0" : "=r"(frequency));
    for (int i = 0; i < 200; i++) {
        uint64_t now = counter();
        CHECK(now >= last);
        last = now;
    }
    printf("%llu of %llu a second\n", (unsigned long long)last, (unsigned long long)frequency);
    return 0;
}
