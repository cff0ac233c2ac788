/* exit: 0 */
/* flock, POSIX locks and locks of open files, between processes: tried, asked about, waited for, and lost at an exit.
 */
#include "check.h"

#include <fcntl.h>
#include <sys/file.h>

int main(void) {
    struct flock range = {F_WRLCK, SEEK_SET, 10, 20, 0}, asked = {F_WRLCK, SEEK_SET, 0, 0, 0};
    int ends[2], back[2];
    char byte;

    CHECK(pipe(ends) == 0 && pipe(back) == 0);
    int file = open("data", O_CREAT | O_RDWR, 0600), second = open("data", O_RDWR);
    CHECK(flock(file, LOCK_EX) == 0 && flock(second, LOCK_SH | LOCK_NB) == -1 && errno == EWOULDBLOCK);
    CHECK(flock(file, LOCK_SH) == 0 && flock(second, LOCK_SH | LOCK_NB) == 0 && flock(second, LOCK_UN) == 0);
    pid_t child = fork();
    if (child == 0) {
        CHECK(fcntl(file, F_SETLK, &range) == 0 && write(ends[1], "x", 1) == 1);
        CHECK(read(back[0], &byte, 1) == 1);
        sleep_ms(2);
        _exit(0);
    }
    CHECK(read(ends[0], &byte, 1) == 1);
    CHECK(fcntl(file, F_SETLK, &range) == -1 && (errno == EAGAIN || errno == EACCES));
    CHECK(fcntl(file, F_GETLK, &asked) == 0 && asked.l_type == F_WRLCK && asked.l_pid == child && asked.l_len == 20);
    printf("%d has %lld and on\n", asked.l_pid, (long long)asked.l_start);
    CHECK(write(back[1], "x", 1) == 1 && fcntl(file, F_SETLKW, &range) == 0);
    join(child, 0);
    struct flock other = {F_RDLCK, SEEK_SET, 100, 1, 0};
    CHECK(fcntl(file, F_OFD_SETLK, &other) == 0);
    other.l_type = F_WRLCK;
    CHECK(fcntl(second, F_OFD_SETLK, &other) == -1 && errno == EAGAIN);
    other.l_pid = 0;
    CHECK(fcntl(second, F_OFD_GETLK, &other) == 0 && other.l_pid == -1);
    CHECK(lockf(file, F_TEST, 0) == 0);
    int lease = fcntl(second, F_GETLEASE);
    printf("lease %d, locked at %lld\n", lease, (long long)now_ns());
    return 0;
}
