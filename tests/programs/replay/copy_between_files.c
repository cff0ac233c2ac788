/* exit: 0 */
/* sendfile with and without an offset, to a file and to a pipe, and copy_file_range. */
#include "check.h"

#include <fcntl.h>
#include <sys/sendfile.h>

int main(void) {
    char data[20000], again[20000];
    off_t offset = 1000;
    int ends[2];

    fill_random(data, sizeof data);
    int from = open("from", O_CREAT | O_RDWR, 0600), to = open("to", O_CREAT | O_RDWR, 0600);
    CHECK(write(from, data, sizeof data) == sizeof data);
    CHECK(sendfile(to, from, &offset, 5000) == 5000 && offset == 6000);
    CHECK(lseek(from, 15000, SEEK_SET) == 15000 && sendfile(to, from, NULL, 100000) == 5000);
    CHECK(pread(to, again, sizeof again, 0) == 10000 && memcmp(again, data + 1000, 5000) == 0 &&
          memcmp(again + 5000, data + 15000, 5000) == 0);
    printf("sendfile: %016llx\n", (unsigned long long)hash_of(again, 10000));
    CHECK(pipe(ends) == 0);
    offset = 0;
    CHECK(sendfile(ends[1], from, &offset, 4096) == 4096 && read(ends[0], again, 4096) == 4096);
    printf("through a pipe: %016llx\n", (unsigned long long)hash_of(again, 4096));
    loff_t in = 0, out = 100;
    ssize_t copied = copy_file_range(from, &in, to, &out, 3000, 0);
    if (absent(copied, "copy_file_range") || (copied == -1 && errno == EINVAL))
        return 0;
    CHECK(copied > 0 && in == copied && out == 100 + copied);
    CHECK(pread(to, again, copied, 100) == copied && memcmp(again, data, copied) == 0);
    printf("copied %zd\n", copied);
    return 0;
}
