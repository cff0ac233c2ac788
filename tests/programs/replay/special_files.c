/* exit: 0 */
/* /dev/null, zero, full, random and tty, maps of /dev/zero, files without names, and the longest names. */
#include "check.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

int main(void) {
    char data[4096], name[256];

    int null = open("/dev/null", O_RDWR), zero = open("/dev/zero", O_RDWR), full = open("/dev/full", O_RDWR);
    if (zero >= 0) {
        memset(data, 1, sizeof data);
        CHECK(read(zero, data, sizeof data) == sizeof data && data[0] == 0 && data[4095] == 0);
        char *map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, zero, 0);
        char *shared = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, zero, 0);
        CHECK(map != MAP_FAILED && shared != MAP_FAILED && map[5000] == 0 && (shared[5000] = 1) == 1);
        printf("maps %p %p\n", (void *)map, (void *)shared);
    }
    if (full >= 0)
        CHECK(write(full, data, 1) == -1 && errno == ENOSPC && read(full, data, 10) == 10);
    CHECK(null >= 0 && read(null, data, 1) == 0 && write(null, data, sizeof data) == sizeof data);
    int terminal = open("/dev/tty", O_RDWR);
    printf("terminal: %s\n", terminal >= 0 ? "there" : strerror(errno));
    int unnamed = open(".", O_TMPFILE | O_RDWR, 0600);
    if (unnamed >= 0) {
        uint64_t word = random_word();
        CHECK(write(unnamed, &word, sizeof word) == 8 && pread(unnamed, data, 8, 0) == 8);
        printf("without a name: %016llx\n", (unsigned long long)hash_of(data, 8));
    } else
        printf("no file without a name: %s\n", strerror(errno));
    memset(name, 'n', 255);
    name[255] = 0;
    CHECK(mkdir(name, 0700) == 0 && chdir(name) == 0 && getcwd(data, sizeof data));
    CHECK(open("nnn/nnn", O_RDONLY) == -1 && errno == ENOENT);
    printf("%016llx\n", (unsigned long long)hash_of(data, strlen(data)));
    memset(data, 'x', sizeof data - 1);
    data[sizeof data - 1] = 0;
    CHECK(open(data, O_RDONLY) == -1 && errno == ENAMETOOLONG);
    return 0;
}
