/* exit: 0 */
/* splice from a file to a pipe and back, tee between pipes, vmsplice from memory and into it. */
#include "check.h"

#include <fcntl.h>
#include <sys/uio.h>

int main(void) {
    int first[2], second[2];
    char data[8192], again[8192];
    loff_t offset = 0;

    fill_random(data, sizeof data);
    int from = open("from", O_CREAT | O_RDWR, 0600), to = open("to", O_CREAT | O_RDWR, 0600);
    CHECK(write(from, data, sizeof data) == sizeof data && pipe(first) == 0 && pipe(second) == 0);
    ssize_t moved = splice(from, &offset, first[1], NULL, 5000, SPLICE_F_MOVE);
    CHECK(moved == 5000 && offset == 5000);
    CHECK(tee(first[0], second[1], 3000, 0) == 3000);
    CHECK(splice(first[0], NULL, to, NULL, 5000, 0) == 5000);
    CHECK(read(second[0], again, sizeof again) == 3000 && memcmp(again, data, 3000) == 0);
    printf("tee: %016llx\n", (unsigned long long)hash_of(again, 3000));
    CHECK(pread(to, again, sizeof again, 0) == 5000 && memcmp(again, data, 5000) == 0);
    printf("splice: %016llx\n", (unsigned long long)hash_of(again, 5000));
    struct iovec out[] = {{data + 100, 1000}, {data + 3000, 500}}, in = {again, 1500};
    CHECK(vmsplice(first[1], out, 2, 0) == 1500);
    memset(again, 0, sizeof again);
    CHECK(vmsplice(first[0], &in, 1, 0) == 1500 && memcmp(again, data + 100, 1000) == 0);
    printf("vmsplice: %016llx\n", (unsigned long long)hash_of(again, 1500));
    return 0;
}
