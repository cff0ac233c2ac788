/* exit: 0 */
/* readv, writev, preadv, pwritev, preadv2 and pwritev2, with short and empty pieces. */
#include "check.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/uio.h>

int main(void) {
    char first[10], second[1000], third[1];
    struct iovec out[] = {{first, sizeof first}, {NULL, 0}, {second, sizeof second}, {third, sizeof third}};
    char in[3][500];
    struct iovec into[] = {{in[0], 500}, {in[1], 0}, {in[2], 500}};

    fill_random(first, sizeof first);
    fill_random(second, sizeof second);
    fill_random(third, sizeof third);
    int file = open("data", O_CREAT | O_RDWR, 0600);
    CHECK(writev(file, out, COUNT(out)) == 1011 && lseek(file, 1, SEEK_SET) == 1);
    ssize_t got = readv(file, into, COUNT(into));
    CHECK(got == 1000 && memcmp(in[0], first + 1, 9) == 0);
    printf("%zd: %016llx %016llx\n", got, (unsigned long long)hash_of(in[0], 500),
           (unsigned long long)hash_of(in[2], 500));
    CHECK(preadv(file, into, COUNT(into), 600) == 411 && in[0][410] == third[0]);
    printf("%016llx\n", (unsigned long long)hash_of(in[0], 411));
    CHECK(pwritev(file, out, 1, 5000) == 10 && pwritev2(file, out, 1, 6000, RWF_DSYNC) == 10);
    CHECK(pwritev2(file, out, 1, 0, RWF_APPEND) == 10);
    got = preadv2(file, into, 1, 6000, RWF_HIPRI);
    CHECK(got == 20 || absent(got, "RWF_HIPRI"));
    printf("%zd, end at %lld\n", got, (long long)lseek(file, 0, SEEK_END));
    CHECK(syscall(SYS_readv, file, into, -1l) == -1 && errno == EINVAL);
    return 0;
}
