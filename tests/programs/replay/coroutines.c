/* exit: 0 */
/* makecontext and swapcontext: stacks that the program changes by itself. */
#include "check.h"

#include <ucontext.h>

static ucontext_t main_context, contexts[3];
static uint64_t order;

static void work(int index) {
    for (volatile int i = 0; i < 10; i++) {
        order = order * 31 + (uint64_t)(index + getppid());
        CHECK(swapcontext(&contexts[index], &contexts[(index + 1) % 3]) == 0);
    }
    printf("coroutine %d ends\n", index);
}

int main(void) {
    for (volatile int i = 0; i < 3; i++) {
        CHECK(getcontext(&contexts[i]) == 0);
        contexts[i].uc_stack.ss_sp = malloc(65536);
        contexts[i].uc_stack.ss_size = 65536;
        contexts[i].uc_link = &main_context;
        makecontext(&contexts[i], (void (*)(void))work, 1, i);
    }
    CHECK(swapcontext(&main_context, &contexts[0]) == 0);
    printf("order %016llx\n", (unsigned long long)order);
    return 0;
}
