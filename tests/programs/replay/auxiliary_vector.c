/* exit: 0 */
/* Every entry of the auxiliary vector, by getauxval and from the file. */
#include "check.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/auxv.h>

int main(void) {
    Elf64_auxv_t entries[64];

    for (unsigned long key = 0; key < 64; key++) {
        errno = 0;
        unsigned long value = getauxval(key);
        if (value || errno == 0)
            printf("%lu = %#lx\n", key, value);
    }
    printf("platform %s, started as %s\n", (char *)getauxval(AT_PLATFORM), (char *)getauxval(AT_EXECFN));
    int file = open("/proc/self/auxv", O_RDONLY);
    ssize_t size = read(file, entries, sizeof entries);
    CHECK(size > 0 && size % (ssize_t)sizeof entries[0] == 0);
    for (size_t i = 0; i < (size_t)size / sizeof entries[0]; i++)
        printf("file: %lu = %#lx\n", (unsigned long)entries[i].a_type, (unsigned long)entries[i].a_un.a_val);
    return 0;
}
