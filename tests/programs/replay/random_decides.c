/* exit: 0 */
/* Random bits decide the way through the program, so that a wrong one shows at the next call. */
#include "check.h"

#include <fcntl.h>

int main(void) {
    uint64_t word = random_word();

    for (int i = 0; i < 64; i++)
        switch (word >> i & 3) {
        case 0:
            printf("%d: parent %d\n", i, getppid());
            break;
        case 1:
            CHECK(open("/does/not/exist", O_RDONLY) == -1);
            printf("%d: no file\n", i);
            break;
        case 2:
            free(malloc(1000000 + i * 4096));
            break;
        default:
            printf("%d: at %lld\n", i, (long long)now_ns());
        }
    return 0;
}
