/* exit: 0 */
/* A chain of processes, each reading from the one before it, with much more data than a pipe holds. */
#include "check.h"

enum { chain = 4, size = 300000 };

int main(void) {
    int before[2], after[2];
    static unsigned char data[65536];
    pid_t pids[chain];
    uint64_t sent = 0, got = 0;

    CHECK(pipe(before) == 0);
    int first = before[1];
    for (int i = 0; i < chain; i++) {
        CHECK(pipe(after) == 0);
        if ((pids[i] = fork()) == 0) {
            close(first);
            close(after[0]);
            for (ssize_t some; (some = read(before[0], data, 10000 + 7000 * (size_t)i)) != 0;) {
                CHECK(some > 0);
                for (ssize_t k = 0; k < some; k++)
                    data[k]++;
                for (ssize_t done = 0, wrote; done < some; done += wrote) {
                    wrote = write(after[1], data + done, (size_t)(some - done));
                    CHECK(wrote > 0);
                }
            }
            _exit(i);
        }
        close(before[0]);
        close(after[1]);
        before[0] = after[0];
    }
    pid_t writer = fork();
    if (writer == 0) {
        close(before[0]);
        fill_random(data, sizeof data);
        for (int done = 0; done < size;) {
            ssize_t wrote = write(first, data, sizeof data);
            CHECK(wrote > 0);
            for (ssize_t k = 0; k < wrote; k++)
                sent += (unsigned char)(data[k] + chain);
            done += (int)wrote;
        }
        printf("sent %llu\n", (unsigned long long)sent);
        _exit(0);
    }
    close(first);
    int total = 0;
    for (ssize_t some; (some = read(before[0], data, sizeof data)) != 0; total += (int)some) {
        CHECK(some > 0);
        for (ssize_t k = 0; k < some; k++)
            got += data[k];
    }
    join(writer, 0);
    for (int i = 0; i < chain; i++)
        join(pids[i], i);
    printf("got %llu in %d bytes\n", (unsigned long long)got, total);
    CHECK(total == (size + 65535) / 65536 * 65536);
    return 0;
}
