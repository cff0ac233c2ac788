/* exit: 0 */
/* A SIGSEGV handler that changes the registers: it steps over the instruction and gives its result. */
#include "check.h"

#include <signal.h>
#include <ucontext.h>

static volatile uintptr_t address;
static uint64_t result;

static void on_fault(int number, siginfo_t *info, void *context) {
    ucontext_t *user = context;

    (void)number;
    address = (uintptr_t)info->si_addr;
#ifdef __x86_64__
    user->uc_mcontext.gregs[REG_RIP] += 3; /* mov rax, [rax] */
    user->uc_mcontext.gregs[REG_RAX] = (greg_t)result;
#else
    user->uc_mcontext.pc += 4;
    user->uc_mcontext.regs[0] = result;
#endif
}

static uint64_t load(uintptr_t from) {
#ifdef __x86_64__
    __asm__ volatile("mov (%0), %0" : "+a"(from) : : "memory");
#else
    register uintptr_t x0 __asm__("x0") = from;
    __asm__ volatile("ldr x0, [x0]" : "+r"(x0) : : "memory");
    from = x0;
#endif
    return from;
}

int main(void) {
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};

    CHECK(sigaction(SIGSEGV, &action, NULL) == 0);
    for (int i = 0; i < 100; i++) {
        result = random_word();
        uint64_t got = load(8u * (unsigned)i);
        CHECK(got == result && address == 8u * (unsigned)i);
        printf("%lx: %016llx\n", (long)address, (unsigned long long)got);
    }
    return 0;
}
