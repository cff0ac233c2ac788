/* exit: 0 */
/* An alarm strikes amid memcpy, malloc and printf, where the same instruction is met very often. */
#include "check.h"

#include <signal.h>
#include <sys/time.h>

static volatile int count;

static void on_alarm(int number) {
    (void)number;
    count++;
}

int main(void) {
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    struct itimerval timer = {{0, 2000}, {0, 2000}};
    static char from[65536], to[65536], text[200];
    uint64_t rounds = 0, sum = 0;

    fill_random(from, sizeof from);
    CHECK(sigaction(SIGALRM, &action, NULL) == 0 && setitimer(ITIMER_REAL, &timer, NULL) == 0);
    while (count < 15) {
        memcpy(to, from, sizeof to);
        char *block = malloc(1000 + rounds % 5000);
        memset(block, (int)rounds, 1000);
        snprintf(text, sizeof text, "%llu %g %s", (unsigned long long)rounds, rounds / 3.0, "text");
        sum += hash_of(text, strlen(text)) + (unsigned char)block[999];
        free(block);
        rounds++;
    }
    CHECK(memcmp(from, to, sizeof to) == 0);
    printf("%llu rounds: %016llx\n", (unsigned long long)rounds, (unsigned long long)sum);
    return 0;
}
