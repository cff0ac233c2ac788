/* signal: SIGABRT */
/* The C library finds a block freed twice, says so, and aborts. */
#include "check.h"

int main(void) {
    char *volatile block = malloc(100), *volatile same = block;

    printf("%p\n", (void *)block);
    free(block);
    free(same);
    return 1;
}
