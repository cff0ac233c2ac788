/* exit: 0 */
/* SA_ONSTACK and sigaltstack: where the handler runs, what the kernel says of it, and SS_AUTODISARM. */
#include "check.h"

#include <signal.h>

static char *volatile place;
static volatile int flags, refused;

static void on_signal(int number) {
    char here = (char)number;
    stack_t stack;

    place = &here;
    sigaltstack(NULL, &stack);
    flags = stack.ss_flags;
    refused = sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, NULL) == -1 ? errno : 0;
}

int main(void) {
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};
    size_t size = 65536;
    stack_t stack = {.ss_sp = malloc(size), .ss_size = size}, got;

    CHECK(sigaction(SIGUSR1, &action, NULL) == 0 && sigaltstack(&stack, NULL) == 0 && raise(SIGUSR1) == 0);
    char *bottom = stack.ss_sp;
    CHECK(place > bottom && place < bottom + size && flags == SS_ONSTACK && refused == EPERM);
    printf("handled at %p on %p\n", (void *)place, (void *)bottom);
    action.sa_flags = 0;
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0 && raise(SIGUSR1) == 0);
    CHECK(place < bottom || place > bottom + size);
    stack.ss_flags = (int)(1u << 31); /* SS_AUTODISARM */
    action.sa_flags = SA_ONSTACK;
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0 && sigaltstack(&stack, NULL) == 0 && raise(SIGUSR1) == 0);
    CHECK(place > bottom && place < bottom + size && flags == SS_DISABLE);
    CHECK(sigaltstack(&(stack_t){.ss_sp = bottom, .ss_size = 10}, &got) == -1 && errno == ENOMEM);
    printf("then at %p\n", (void *)place);
    return 0;
}
