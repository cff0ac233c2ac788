/* Reads what it never looks at, and goes on making calls. */
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static unsigned char unread[8192] __attribute__((aligned(4096)));

int main(void) {
    const struct timespec moment = {0, 1000000};
    int random = open("/dev/urandom", O_RDONLY);

    if (read(random, unread, sizeof unread) != sizeof unread)
        return 1;
    for (int i = 0; i < 20; i++) {
        free(malloc(100000));
        nanosleep(&moment, NULL);
    }
    return 0;
}
