/* exit: 0 */
/* Alarms interrupt a loop whose turns leave the same registers, stack and memory in reach: only what is counted at an
 * address that no register or word holds as it is tells them apart, and it is told at each alarm. */
#include "check.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>

#define KEY 0x5a5a5a5a5a5a5a5aull
#define ALARMS 6

static volatile uint64_t counter, other; /* addresses, hidden */
static volatile sig_atomic_t alarms;

__attribute__((noinline)) static void add(uint64_t hidden, uint64_t number) {
    *(volatile uint64_t *)(uintptr_t)(hidden ^ KEY) += number;
}

__attribute__((noinline)) static void turn(void) {
    add(counter, 1);
    add(other, 0); /* nothing is left in registers of the one before */
    for (unsigned i = 0; i < 60000; i++)
        __asm__ volatile("" : "+r"(i));
}

static void tell(int number) {
    char line[64];
    uint64_t now = *(volatile uint64_t *)(uintptr_t)(counter ^ KEY);

    (void)number;
    CHECK(write(1, line, snprintf(line, sizeof line, "%llu turns\n", (unsigned long long)now)) > 0);
    alarms++;
}

int main(void) {
    char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    const struct itimerval soon = {.it_value = {.tv_usec = 4000}};

    CHECK(pages != MAP_FAILED);
    counter = (uintptr_t)pages ^ KEY;
    other = (uintptr_t)(pages + 4096) ^ KEY;
    signal(SIGALRM, tell);
    for (int i = 0; i < ALARMS; i++) {
        CHECK(setitimer(ITIMER_REAL, &soon, NULL) == 0);
        while (alarms == i)
            turn();
    }
    return 0;
}
