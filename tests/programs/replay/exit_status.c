/* exit: 42 */
/* atexit handlers, in their order, and a status of their own. */
#include "check.h"

static void first(void) {
    printf("registered first, called last, by %d\n", getpid());
}

static void second(void) {
    printf("registered last, called first, at %lld\n", (long long)now_ns());
}

int main(void) {
    CHECK(atexit(first) == 0 && atexit(second) == 0);
    exit(42);
}
