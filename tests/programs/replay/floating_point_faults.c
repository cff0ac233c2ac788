/* exit: 0 */
/* arch: x86_64 */
/* SSE and x87 exceptions unmasked: SIGFPE with its code, handled by masking it in the frame. */
#include "check.h"

#include <signal.h>
#include <ucontext.h>

static volatile int faults, code;

static void on_fault(int number, siginfo_t *info, void *context) {
    ucontext_t *user = context;

    (void)number;
    faults++;
    code = info->si_code;
    user->uc_mcontext.fpregs->mxcsr |= 0x1f80;
    user->uc_mcontext.fpregs->cwd |= 0x3f;
    user->uc_mcontext.fpregs->swd &= 0x7f00;
}

int main(void) {
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    unsigned control = 0x1f80 & ~0x200u; /* division by zero */
    unsigned short old_control = 0x37f & ~4;
    volatile double zero = 0, one = 1 + (double)(random_word() & 0xff), result = 5;

    CHECK(sigaction(SIGFPE, &action, NULL) == 0);
    __asm__ volatile("ldmxcsr %0" : : "m"(control));
    result = one / zero;
    CHECK(faults == 1 && code == FPE_FLTDIV && result == __builtin_inf());
    printf("code %d, result %f\n", code, result);
    __asm__ volatile("fninit; fldcw %0; fldz; fld1; fdivp; fwait; fstpl %1" : : "m"(old_control), "m"(result));
    CHECK(faults == 2 && code == FPE_FLTDIV);
    printf("code %d, result %f of %f\n", code, result, one);
    return 0;
}
