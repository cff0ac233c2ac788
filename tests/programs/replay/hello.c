/* exit: 0 */
/* The smallest: one line, and the number of the process. */
#include "check.h"

int main(void) {
    printf("hello from %d\n", getpid());
    return 0;
}
