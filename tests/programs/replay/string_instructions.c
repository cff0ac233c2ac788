/* exit: 0 */
/* arch: x86_64 */
/* Timers strike amid long string instructions, which stop halfway with their registers changed. */
#include "check.h"

#include <signal.h>
#include <ucontext.h>

enum { size = 1 << 20 };

static volatile int count, inside;

static void on_alarm(int number, siginfo_t *info, void *context) {
    ucontext_t *user = context;

    (void)number;
    (void)info;
    count++;
    inside += *(unsigned char *)user->uc_mcontext.gregs[REG_RIP] == 0xf3;
}

int main(void) {
    struct sigaction action = {.sa_sigaction = on_alarm, .sa_flags = SA_SIGINFO};
    unsigned char *from = malloc(size), *to = malloc(size);
    uint64_t rounds = 0;

    fill_random(from, 1000);
    memset(from + 1000, 7, size - 1000);
    CHECK(sigaction(SIGALRM, &action, NULL) == 0);
    ualarm(1500, 1500);
    while (count < 8) {
        unsigned char *source = from, *target = to;
        size_t left = size;
        __asm__ volatile("rep movsb" : "+S"(source), "+D"(target), "+c"(left) : : "memory");
        CHECK(left == 0 && source == from + size);
        left = size;
        source = from;
        target = to;
        __asm__ volatile("repe cmpsb" : "+S"(source), "+D"(target), "+c"(left) : : "memory", "cc");
        CHECK(left == 0);
        rounds++;
    }
    ualarm(0, 0);
    printf("%llu rounds, %d of %d inside, %016llx\n", (unsigned long long)rounds, inside, count,
           (unsigned long long)hash_of(to, 2000));
    return 0;
}
