/* Writes to one page after the other, to each for the first time, with a call now and then. */
#include <unistd.h>

#define ROUNDS 32
#define PAGES 32

static char pages[ROUNDS * PAGES][4096] __attribute__((aligned(4096)));

static void touch(int page) {
    pages[page][0]++;
}

int main(void) {
    for (int i = 0; i < ROUNDS; i++) {
        for (int j = 0; j < PAGES - 1; j++)
            pages[i * PAGES + j][0]++;
        touch(i * PAGES + PAGES - 1);
        getppid();
    }
    return 0;
}
