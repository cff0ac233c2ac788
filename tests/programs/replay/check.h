/* What the programs of this folder share: a check that ends the program, and values that only a recording can repeat.
 */
#ifndef REPLAY_CHECK_H
#define REPLAY_CHECK_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHECK(condition) ((condition) ? (void)0 : check_failed(__FILE__, __LINE__, #condition))
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

__attribute__((noreturn)) static inline void check_failed(const char *file, int line, const char *condition) {
    int error = errno;

    fprintf(stderr, "%s:%d: not so: %s (errno %d, %s)\n", file, line, condition, error, strerror(error));
    _exit(1);
}

/* Each line is a write of its own, so that a fork or a fatal signal neither doubles nor loses one. */
__attribute__((constructor)) static inline void print_by_line(void) {
    static char buffer[4096];

    setvbuf(stdout, buffer, _IOLBF, sizeof buffer);
}

/* Whether a call failed because this kernel, or this user, does not have it; it says so. */
static inline int absent(long result, const char *name) {
    if (result != -1 || (errno != ENOSYS && errno != EPERM && errno != EACCES && errno != EOPNOTSUPP))
        return 0;
    printf("no %s here: %s\n", name, strerror(errno));
    return 1;
}

/* FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv/). */
static inline uint64_t hash_of(const void *data, size_t size) {
    const unsigned char *bytes = data;
    uint64_t hash = 0xcbf29ce484222325u;

    for (size_t i = 0; i < size; i++)
        hash = (hash ^ bytes[i]) * 0x100000001b3u;
    return hash;
}

static inline void fill_random(void *data, size_t size) {
    for (size_t done = 0; done < size;) {
        ssize_t got = getrandom((char *)data + done, size - done, 0);

        CHECK(got > 0);
        done += (size_t)got;
    }
}

static inline uint64_t random_word(void) {
    uint64_t word;

    fill_random(&word, sizeof word);
    return word;
}

static inline int64_t now_ns(void) {
    struct timespec now;

    CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return now.tv_sec * 1000000000ll + now.tv_nsec;
}

/* Sleeps on through signals. */
static inline void sleep_ms(int milliseconds) {
    struct timespec left = {milliseconds / 1000, milliseconds % 1000 * 1000000l};

    while (nanosleep(&left, &left))
        CHECK(errno == EINTR);
}

/* The wait status of a child. */
static inline int status_of(pid_t child) {
    int status;
    pid_t got;

    do
        got = waitpid(child, &status, 0);
    while (got == -1 && errno == EINTR);
    CHECK(got == child);
    return status;
}

/* Waits for a child that must end with this status. */
static inline void join(pid_t child, int exit_status) {
    int status = status_of(child);

    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == exit_status);
}

#endif
