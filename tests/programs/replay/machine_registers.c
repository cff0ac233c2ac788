/* exit: 0 */
/* arch: arm64 */
/* What arm64 lets a program read of the machine: cache geometry, thread pointer, and the emulated identity. */
#include "check.h"

#include <sys/auxv.h>

int main(void) {
    uint64_t cache, zero, pointer, identity = 0;

    __asm__("mrs %0, ctr_el0" : "=r"(cache));
    __asm__("mrs %0, dczid_el0" : "=r"(zero));
    __asm__("mrs %0, tpidr_el0" : "=r"(pointer));
    if (getauxval(AT_HWCAP) & 1 << 11) /* HWCAP_CPUID */
        __asm__("mrs %0, midr_el1" : "=r"(identity));
    printf("ctr %llx, dczid %llx, thread %llx, midr %llx\n", (unsigned long long)cache, (unsigned long long)zero,
           (unsigned long long)pointer, (unsigned long long)identity);
    if (!(zero & 16)) {
        size_t size = 4u << (zero & 15);
        unsigned char *block;
        CHECK(posix_memalign((void **)&block, size, 2 * size) == 0);
        memset(block, 1, 2 * size);
        __asm__ volatile("dc zva, %0" : : "r"(block + 3) : "memory");
        CHECK(block[0] == 0 && block[size - 1] == 0 && block[size] == 1);
        printf("zeroed %zu\n", size);
    }
    return 0;
}
