/* exit: 0 */
/* Condition variables with a time limit, on both clocks. */
#include "check.h"

#include <pthread.h>

int main(void) {
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_condattr_t attributes;
    pthread_cond_t conditions[2];
    static const clockid_t clocks[2] = {CLOCK_REALTIME, CLOCK_MONOTONIC};

    pthread_mutex_lock(&mutex);
    for (int i = 0; i < 2; i++) {
        struct timespec until;
        CHECK(pthread_condattr_init(&attributes) == 0 && pthread_condattr_setclock(&attributes, clocks[i]) == 0 &&
              pthread_cond_init(&conditions[i], &attributes) == 0);
        CHECK(clock_gettime(clocks[i], &until) == 0);
        until.tv_nsec += 5000000;
        if (until.tv_nsec >= 1000000000) {
            until.tv_nsec -= 1000000000;
            until.tv_sec++;
        }
        int result;
        do
            result = pthread_cond_timedwait(&conditions[i], &mutex, &until);
        while (result == 0);
        CHECK(result == ETIMEDOUT);
        struct timespec now;
        CHECK(clock_gettime(clocks[i], &now) == 0);
        printf("%lld.%09ld after %lld.%09ld\n", (long long)now.tv_sec, now.tv_nsec, (long long)until.tv_sec,
               until.tv_nsec);
        CHECK(now.tv_sec > until.tv_sec || (now.tv_sec == until.tv_sec && now.tv_nsec >= until.tv_nsec));
    }
    return 0;
}
