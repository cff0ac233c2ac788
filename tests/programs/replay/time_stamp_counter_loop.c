/* exit: 0 */
/* arch: x86_64 */
/* A loop that waits by rdtsc alone: how often it goes round depends on every value. */
#include "check.h"

#include <x86intrin.h>

int main(void) {
    uint64_t end = __rdtsc() + 3000000, now, rounds = 0, hash = 0;

    while ((now = __rdtsc()) < end) {
        rounds++;
        hash = hash * 31 + now;
    }
    printf("%llu rounds, %016llx\n", (unsigned long long)rounds, (unsigned long long)hash);
    return 0;
}
