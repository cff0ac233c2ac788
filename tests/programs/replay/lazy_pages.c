/* exit: 0 */
/* Threads touch the pages of a large map and of a file for the first time, all at once: faults without calls. */
#include "check.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>

enum { threads = 4, pages = 1024, page = 4096 };

static unsigned char *memory, *file_map;
static uint64_t order;

static void *work(void *argument) {
    uint64_t index = (uintptr_t)argument, sum = 0;

    for (uint64_t i = 0; i < pages; i++) {
        uint64_t at = (i * 7 + index * 13) % pages * page;
        uint64_t seen = __atomic_fetch_add((uint64_t *)(memory + at), index + 1, __ATOMIC_SEQ_CST);
        sum = sum * 31 + seen + file_map[at + index];
    }
    __atomic_fetch_xor(&order, sum, __ATOMIC_SEQ_CST);
    printf("thread %d: %016llx\n", gettid(), (unsigned long long)sum);
    return NULL;
}

int main(void) {
    pthread_t ids[threads];

    memory = mmap(NULL, pages * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int file = open("data", O_CREAT | O_RDWR, 0600);
    CHECK(ftruncate(file, pages * page) == 0);
    for (int i = 0; i < pages; i += 10) {
        uint64_t word = random_word();
        CHECK(pwrite(file, &word, 8, (off_t)i * page) == 8);
    }
    file_map = mmap(NULL, pages * page, PROT_READ, MAP_PRIVATE, file, 0);
    CHECK(memory != MAP_FAILED && file_map != MAP_FAILED);
    for (uintptr_t i = 0; i < threads; i++)
        CHECK(pthread_create(&ids[i], NULL, work, (void *)i) == 0);
    for (int i = 0; i < threads; i++)
        CHECK(pthread_join(ids[i], NULL) == 0);
    for (int i = 0; i < pages; i++)
        CHECK(*(uint64_t *)(memory + i * page) == 1 + 2 + 3 + 4);
    printf("%016llx\n", (unsigned long long)order);
    return 0;
}
