/* exit: 0 */
/* The kernel's log and the security modules, as far as the user may see them. */
#include "check.h"

#include <sys/klog.h>
#include <sys/syscall.h>

int main(void) {
    static char text[8192];
    uint64_t modules[16];
    uint32_t size = sizeof modules;

    int result = klogctl(10 /* its size */, NULL, 0);
    printf("log of %d bytes\n", result);
    result = klogctl(3 /* read all */, text, sizeof text);
    if (!absent(result, "kernel log"))
        printf("%d bytes: %016llx\n", result, (unsigned long long)hash_of(text, (size_t)result));
    long count = syscall(461 /* lsm_list_modules */, modules, &size, 0);
    if (!absent(count, "lsm_list_modules")) {
        CHECK(count >= 0 && size == (uint32_t)count * 8);
        for (long i = 0; i < count; i++)
            printf("module %llu\n", (unsigned long long)modules[i]);
    }
    size = sizeof text;
    count = syscall(459 /* lsm_get_self_attr */, 100, text, &size, 0);
    printf("attributes %ld: %u\n", count, size);
    CHECK(syscall(460 /* lsm_set_self_attr */, 100, text, 16, 0) == -1);
    return 0;
}
