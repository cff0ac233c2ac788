/* exit: 0 */
/* Standard input at its end, output to both standard streams, closed and opened again. */
#include "check.h"

#include <fcntl.h>

int main(void) {
    char text[100];

    ssize_t got = read(0, text, sizeof text);
    printf("input: %zd\n", got);
    fprintf(stderr, "said by %d\n", getpid());
    CHECK(close(0) == 0 && open("/dev/null", O_RDONLY) == 0);
    int saved = dup(1);
    CHECK(close(1) == 0 && write(1, "x", 1) == -1 && errno == EBADF && dup(saved) == 1);
    CHECK(dprintf(1, "again by %d\n", getpid()) > 0);
    for (int i = 0; i < 50; i++)
        printf("%d%s", i, i % 10 == 9 ? "\n" : " ");
    fwrite(text, 1, 0, stdout);
    setvbuf(stdout, NULL, _IONBF, 0);
    printf("one by one\n");
    return 0;
}
