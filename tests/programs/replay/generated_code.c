/* exit: 0 */
/* Machine code that is generated at run time: written, made executable by mprotect, called, changed, called again. */
#include "check.h"

#include <sys/mman.h>

typedef int function(void);

/* Writes a function that returns value (16 bits). */
static void generate(unsigned char *code, unsigned value) {
#ifdef __x86_64__
    unsigned char bytes[] = {0xb8, value & 0xff, value >> 8 & 0xff, 0, 0, 0xc3}; /* mov eax, value; ret */
#else
    uint32_t bytes[] = {0x52800000u | (value & 0xffff) << 5, 0xd65f03c0u}; /* mov w0, value; ret */
#endif
    memcpy(code, bytes, sizeof bytes);
    __builtin___clear_cache((char *)code, (char *)code + sizeof bytes);
}

int main(void) {
    unsigned char *code = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CHECK(code != MAP_FAILED);
    for (int i = 0; i < 10; i++) {
        unsigned value = random_word() & 0xffff;
        CHECK(mprotect(code, 8192, PROT_READ | PROT_WRITE) == 0);
        generate(code + i * 400, value);
        CHECK(mprotect(code, 8192, PROT_READ | PROT_EXEC) == 0);
        int got = ((function *)(code + i * 400))();
        printf("%d\n", got);
        CHECK((unsigned)got == value);
    }
    return 0;
}
