/* exit: 0 */
/* 64 MiB through one buffer: in chunks of 1 MiB, and the last 16 in a single call. */
#include "check.h"

#include <fcntl.h>

enum { mebibyte = 1 << 20 };

int main(void) {
    char *data = malloc(16 * mebibyte);
    uint64_t hash = 0;

    int file = open("data", O_CREAT | O_RDWR, 0600);
    CHECK(data && file >= 0 && ftruncate(file, 64 * mebibyte) == 0);
    for (int i = 0; i < 64; i++) {
        uint64_t word = random_word();
        CHECK(pwrite(file, &word, sizeof word, (off_t)i * mebibyte + (word & 0xfffff)) == sizeof word);
    }
    for (int i = 0; i < 48; i++) {
        CHECK(read(file, data, mebibyte) == mebibyte);
        for (int k = 0; k < mebibyte; k += 8)
            hash += *(uint64_t *)(data + k) * (unsigned)(k + 1);
    }
    CHECK(read(file, data, 16 * mebibyte) == 16 * mebibyte);
    for (int k = 0; k < 16 * mebibyte; k += 8)
        hash += *(uint64_t *)(data + k) * (unsigned)(k + 1);
    printf("sum %016llx\n", (unsigned long long)hash);
    return 0;
}
