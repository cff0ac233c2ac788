/* exit: 0 */
/* What siginfo says of each kind of fault: no map, no right, no execution, alignment, a privileged instruction. */
#include "check.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

static sigjmp_buf place;
static volatile int number_seen, code_seen;
static void *volatile address_seen;

static void on_fault(int number, siginfo_t *info, void *context) {
    (void)context;
    number_seen = number;
    code_seen = info->si_code;
    address_seen = info->si_addr;
    siglongjmp(place, 1);
}

#define FAULT(text, statement)                                                                                         \
    do {                                                                                                               \
        number_seen = code_seen = 0;                                                                                   \
        if (sigsetjmp(place, 1) == 0) {                                                                                \
            statement;                                                                                                 \
        }                                                                                                              \
        printf("%s: signal %d, code %d, address %p\n", text, number_seen, code_seen, address_seen);                    \
    } while (0)

int main(void) {
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    static const int numbers[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP};
    char *map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    volatile char *volatile pointer;

    for (size_t i = 0; i < COUNT(numbers); i++)
        CHECK(sigaction(numbers[i], &action, NULL) == 0);
    CHECK(mprotect(map + 4096, 4096, PROT_READ) == 0);
    pointer = (volatile char *)0x5000;
    FAULT("no map", *pointer = 1);
    CHECK(number_seen == SIGSEGV && code_seen == SEGV_MAPERR && address_seen == (void *)0x5000);
    pointer = map + 5000;
    FAULT("no right", *pointer = 1);
    CHECK(number_seen == SIGSEGV && code_seen == SEGV_ACCERR && address_seen == map + 5000);
    FAULT("no execution", ((void (*)(void))map)());
    CHECK(number_seen == SIGSEGV && code_seen == SEGV_ACCERR && address_seen == map);
    pointer = (volatile char *)0x1234567812345678;
    FAULT("no address", *pointer = 1);
    CHECK(number_seen == SIGSEGV);
#ifdef __x86_64__
    FAULT("privileged", __asm__ volatile("hlt"));
    CHECK(number_seen == SIGSEGV);
    FAULT("port", __asm__ volatile("inb $0x80, %%al" ::: "al"));
    CHECK(number_seen == SIGSEGV);
    FAULT("interrupt", __asm__ volatile("int $0x99"));
    CHECK(number_seen == SIGSEGV);
    FAULT("undefined", __asm__ volatile("ud2"));
    CHECK(number_seen == SIGILL);
    FAULT("debug trap", __asm__ volatile(".byte 0xf1"));
    CHECK(number_seen == SIGTRAP);
#else
    uint64_t value;
    FAULT("alignment", __asm__ volatile("ldxr %0, [%1]" : "=r"(value) : "r"(map + 1) : "memory"));
    CHECK(number_seen == SIGBUS || number_seen == 0);
    FAULT("privileged", __asm__ volatile("msr ttbr0_el1, xzr"));
    CHECK(number_seen == SIGILL);
    FAULT("undefined", __asm__ volatile(".inst 0"));
    CHECK(number_seen == SIGILL);
#endif
    return 0;
}
