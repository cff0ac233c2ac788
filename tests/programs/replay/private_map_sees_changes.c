/* exit: 0 */
/* A private map shows what is written to its file until the page is touched by a write; of memfds too. */
#include "check.h"

#include <fcntl.h>
#include <sys/mman.h>

static void look(int file) {
    uint64_t words[4];

    fill_random(words, sizeof words);
    CHECK(ftruncate(file, 4 * 4096) == 0);
    volatile uint64_t *map = mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
    CHECK(map != MAP_FAILED && map[512] == 0);
    map[1024] = 7; /* from now on its own */
    for (int i = 0; i < 4; i++)
        CHECK(pwrite(file, &words[i], 8, i * 4096) == 8);
    for (int i = 0; i < 4; i++)
        printf("%016llx\n", (unsigned long long)map[i * 512]);
    CHECK(map[0] == words[0] && map[1024] == 7 && map[1536] == words[3]);
    pid_t child = fork();
    if (child == 0) {
        uint64_t word = random_word();
        CHECK(pwrite(file, &word, 8, 8) == 8);
        _exit(map[1] == word ? 3 : 1);
    }
    join(child, 3);
    printf("written by %d: %016llx\n", child, (unsigned long long)map[1]);
}

int main(void) {
    look(open("data", O_CREAT | O_RDWR, 0600));
    look(memfd_create("data", 0));
    return 0;
}
