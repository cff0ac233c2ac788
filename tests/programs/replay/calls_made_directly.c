/* exit: 0 */
/* Calls that the C library replaces by others or answers without the kernel, made by their numbers. */
#include "check.h"

#include <fcntl.h>
#include <sys/ipc.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>

int main(void) {
    struct timespec time, rest;
    struct timeval now;
    struct rlimit limit;
    struct stat status;
    struct timex state = {0};
    unsigned processor, node;

    CHECK(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &time) == 0 && syscall(SYS_gettimeofday, &now, NULL) == 0);
    CHECK(syscall(SYS_clock_getres, CLOCK_MONOTONIC, &rest) == 0 && syscall(SYS_getcpu, &processor, &node, NULL) == 0);
    printf("%lld.%09ld, %ld.%06ld, on %u of %u\n", (long long)time.tv_sec, time.tv_nsec, (long)now.tv_sec,
           (long)now.tv_usec, processor, node);
    CHECK(syscall(SYS_nanosleep, &(struct timespec){0, 1000}, &rest) == 0);
    int file = open("data", O_CREAT | O_RDWR, 0600);
    CHECK(syscall(SYS_fstat, file, &status) == 0 && syscall(SYS_faccessat, AT_FDCWD, "data", R_OK) == 0);
    printf("inode %lu\n", (long)status.st_ino);
    CHECK(syscall(SYS_getrlimit, RLIMIT_CORE, &limit) == 0 && syscall(SYS_setrlimit, RLIMIT_CORE, &limit) == 0);
    long result = syscall(SYS_adjtimex, &state);
    printf("clock state %ld, tick %ld\n", result, state.tick);
    CHECK(syscall(SYS_setgid, getgid()) == 0 && syscall(SYS_setuid, getuid()) == 0);
    CHECK(syscall(SYS_setregid, -1, -1) == 0 && syscall(SYS_setreuid, -1, -1) == 0);
    CHECK(syscall(SYS_setresgid, -1, -1, -1) == 0 && syscall(SYS_setresuid, -1, -1, -1) == 0);
    int set = semget(IPC_PRIVATE, 1, IPC_CREAT | 0600);
    if (!absent(set, "System V semaphores"))
        CHECK(syscall(SYS_semop, set, &(struct sembuf){0, 1, 0}, 1l) == 0 && semctl(set, 0, IPC_RMID) == 0);
    long where = syscall(SYS_brk, 0l), moved = syscall(SYS_brk, where + 8192);
    CHECK(moved == where + 8192 && syscall(SYS_brk, where) == where);
    printf("break %lx\n", where);
    return 0;
}
