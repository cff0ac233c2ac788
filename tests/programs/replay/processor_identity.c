/* exit: 0 */
/* arch: x86_64 */
/* What cpuid does: the vendor, the features and the number of the very CPU that it ran on. */
#include "check.h"

#include <cpuid.h>

int main(void) {
    unsigned a, b, c, d;
    char vendor[13] = "";

    CHECK(__get_cpuid(0, &a, &b, &c, &d));
    memcpy(vendor, &b, 4);
    memcpy(vendor + 4, &d, 4);
    memcpy(vendor + 8, &c, 4);
    printf("%s, %u leaves\n", vendor, a);
    CHECK(__get_cpuid(1, &a, &b, &c, &d));
    printf("model %x, features %x %x, local number %u\n", a, c, d, b >> 24);
    if (c & 1u << 27) { /* OSXSAVE */
        unsigned low, high;
        __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
        printf("xcr0 %x\n", low);
        CHECK(__get_cpuid_count(13, 0, &a, &b, &c, &d));
        printf("state of %u bytes\n", b);
    }
    return 0;
}
