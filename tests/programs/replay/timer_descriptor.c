/* exit: 0 */
/* What timerfd does: read, poll, an absolute time, and how much is left. */
#include "check.h"

#include <poll.h>
#include <sys/timerfd.h>

int main(void) {
    struct itimerspec period = {{0, 2000000}, {0, 1000000}}, left;
    uint64_t expired, total = 0;

    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    CHECK(timer >= 0 && timerfd_settime(timer, 0, &period, NULL) == 0);
    for (int i = 0; i < 5; i++) {
        CHECK(read(timer, &expired, sizeof expired) == 8 && expired > 0);
        total += expired;
    }
    CHECK(timerfd_gettime(timer, &left) == 0 && left.it_interval.tv_nsec == 2000000);
    printf("%llu times, %ld left\n", (unsigned long long)total, left.it_value.tv_nsec);
    sleep_ms(7);
    struct pollfd polled = {timer, POLLIN, 0};
    CHECK(poll(&polled, 1, 1000) == 1 && read(timer, &expired, sizeof expired) == 8);
    printf("%llu more\n", (unsigned long long)expired);
    int64_t then = now_ns() + 3000000;
    struct itimerspec absolute = {{0, 0}, {then / 1000000000, then % 1000000000}};
    CHECK(timerfd_settime(timer, TFD_TIMER_ABSTIME, &absolute, &left) == 0);
    CHECK(read(timer, &expired, sizeof expired) == 8 && expired == 1 && now_ns() >= then);
    int quick = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK);
    CHECK(read(quick, &expired, sizeof expired) == -1 && errno == EAGAIN);
    CHECK(read(timer, &expired, 4) == -1 && errno == EINVAL);
    return 0;
}
