/* exit: 0 */
/* The stack grows by some mebibytes of frames, and by a large array at once. */
#include "check.h"

#include <alloca.h>

static uint64_t descend(int depth, uint64_t value) {
    volatile char frame[500];

    frame[0] = (char)value;
    frame[499] = (char)depth;
    if (depth == 0)
        return value + (uintptr_t)frame;
    return descend(depth - 1, value * 31 + depth) + frame[0] + frame[499];
}

__attribute__((noinline)) static uint64_t large(size_t size) {
    unsigned char *data = alloca(size);

    fill_random(data, 100);
    data[size - 1] = 1;
    return hash_of(data, 100) + data[size - 1];
}

int main(void) {
    uint64_t start = random_word();

    printf("recursion from %016llx: %016llx\n", (unsigned long long)start, (unsigned long long)descend(8000, start));
    printf("large: %016llx\n", (unsigned long long)large(2 << 20));
    return 0;
}
