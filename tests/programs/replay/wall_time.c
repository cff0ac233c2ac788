/* exit: 0 */
/* gettimeofday, time and times, and what the C library makes of them. */
#include "check.h"

#include <sys/time.h>
#include <sys/times.h>

int main(void) {
    struct timeval now;
    struct tms used;
    char text[100];

    CHECK(gettimeofday(&now, NULL) == 0);
    time_t seconds = time(NULL);
    CHECK(seconds >= now.tv_sec - 1 && seconds <= now.tv_sec + 10);
    CHECK(strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S %Z", localtime(&seconds)) > 0);
    printf("%s, %lld.%06ld\n", text, (long long)now.tv_sec, (long)now.tv_usec);
    clock_t ticks = times(&used);
    CHECK(ticks != (clock_t)-1);
    printf("ticks %ld, used %ld %ld %ld %ld, clock() %ld\n", (long)ticks, (long)used.tms_utime, (long)used.tms_stime,
           (long)used.tms_cutime, (long)used.tms_cstime, (long)clock());
    return 0;
}
