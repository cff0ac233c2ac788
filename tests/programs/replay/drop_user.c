/* exit: 0 */
/* needs: root */
/* setgroups, setresgid and setresuid for good, in a process with threads, and what is forbidden afterwards. */
#include "check.h"

#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <sys/stat.h>

static pthread_barrier_t barrier;

static void *work(void *unused) {
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    printf("thread %d is %u:%u\n", gettid(), getuid(), getegid());
    CHECK(getuid() == 12345 && getegid() == 23456);
    return unused;
}

int main(void) {
    gid_t groups[] = {34567, 45678}, got[10];
    pthread_t ids[2];
    struct stat status;

    CHECK(chmod(".", 0777) == 0 && close(open("roots", O_CREAT | O_WRONLY, 0600)) == 0);
    CHECK(pthread_barrier_init(&barrier, NULL, 3) == 0);
    for (int i = 0; i < 2; i++)
        CHECK(pthread_create(&ids[i], NULL, work, NULL) == 0);
    pthread_barrier_wait(&barrier);
    CHECK(setgroups(2, groups) == 0 && setresgid(23456, 23456, 23456) == 0 && setresuid(12345, 12345, 12345) == 0);
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < 2; i++)
        CHECK(pthread_join(ids[i], NULL) == 0);
    CHECK(getgroups(10, got) == 2 && got[1] == 45678);
    CHECK(setuid(0) == -1 && errno == EPERM && open("roots", O_RDONLY) == -1 && errno == EACCES);
    int file = open("own", O_CREAT | O_WRONLY, 0600);
    if (file >= 0) {
        CHECK(fstat(file, &status) == 0);
        printf("own file of %u:%u\n", status.st_uid, status.st_gid);
    }
    return 0;
}
