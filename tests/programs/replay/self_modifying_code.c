/* exit: 0 */
/* Code in a page that is writable and executable at once, changed between two calls with no system call. */
#include "check.h"

#include <sys/mman.h>

typedef int function(void);

int main(void) {
    unsigned char *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint64_t word = random_word();
    int sum = 0;

    CHECK(code != MAP_FAILED);
    for (unsigned i = 0; i < 1000; i++) {
        unsigned value = (word + i * i) & 0xffff;
#ifdef __x86_64__
        unsigned char bytes[] = {0xb8, value & 0xff, value >> 8, 0, 0, 0xc3};
#else
        uint32_t bytes[] = {0x52800000u | value << 5, 0xd65f03c0u};
#endif
        memcpy(code, bytes, sizeof bytes);
        __builtin___clear_cache((char *)code, (char *)code + sizeof bytes);
        int got = ((function *)code)();
        CHECK((unsigned)got == value);
        sum = sum * 3 + got;
    }
    printf("%016llx gives %d\n", (unsigned long long)word, sum);
    return 0;
}
