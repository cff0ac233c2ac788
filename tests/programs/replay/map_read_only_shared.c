/* exit: 0 */
/* A shared map that can only be read, of a file that another descriptor changes, and of the program itself. */
#include "check.h"

#include <fcntl.h>
#include <sys/mman.h>

int main(void) {
    int writer = open("data", O_CREAT | O_WRONLY, 0600), file = open("data", O_RDONLY);

    CHECK(ftruncate(writer, 4096) == 0);
    const volatile uint64_t *map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, file, 0);
    CHECK(map != MAP_FAILED && close(file) == 0);
    for (int i = 0; i < 10; i++) {
        uint64_t word = random_word();
        CHECK(pwrite(writer, &word, sizeof word, i * 8) == sizeof word && map[i] == word);
        printf("%016llx\n", (unsigned long long)map[i]);
    }
    CHECK(mprotect((void *)map, 4096, PROT_READ | PROT_WRITE) == 0 || errno == EACCES);
    int self = open("/proc/self/exe", O_RDONLY);
    const char *image = mmap(NULL, 4096, PROT_READ, MAP_SHARED, self, 0);
    CHECK(image != MAP_FAILED && memcmp(image, "\177ELF", 4) == 0);
    printf("program: %016llx at %p\n", (unsigned long long)hash_of(image, 4096), (const void *)image);
    return 0;
}
