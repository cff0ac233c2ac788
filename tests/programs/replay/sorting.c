/* exit: 0 */
/* A computation over random input with no calls in it: sorting, searching, hashing. */
#include "check.h"

enum { count = 100000 };

static int compare(const void *left, const void *right) {
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

    return a < b ? -1 : a > b;
}

int main(void) {
    uint64_t *words = malloc(count * sizeof *words), xor = 0, sum = 0;

    fill_random(words, count * sizeof *words);
    for (int i = 0; i < count; i++)
        xor ^= words[i];
    qsort(words, count, sizeof *words, compare);
    for (int i = 1; i < count; i++) {
        CHECK(words[i - 1] <= words[i]);
        xor ^= words[i];
    }
    xor ^= words[0];
    CHECK(xor == 0 && bsearch(&words[777], words, count, sizeof *words, compare));
    for (int i = 0; i < count; i += 1000)
        sum = sum * 31 + words[i];
    printf("median %016llx, sum %016llx\n", (unsigned long long)words[count / 2], (unsigned long long)sum);
    return 0;
}
