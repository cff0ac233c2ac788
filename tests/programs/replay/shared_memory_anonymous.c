/* exit: 0 */
/* Anonymous shared memory between parent and children, who poll it without any call. */
#include "check.h"

#include <sched.h>
#include <sys/mman.h>

enum { children = 3 };

int main(void) {
    volatile uint64_t *shared = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pids[children];

    CHECK(shared != MAP_FAILED);
    for (int i = 0; i < children; i++)
        if ((pids[i] = fork()) == 0) {
            while (!shared[0])
                ;
            uint64_t word = shared[0] * (unsigned)(i + 3) + (unsigned)getpid();
            shared[100 + i] = word;
            __atomic_store_n(&shared[10 + i], 1, __ATOMIC_RELEASE);
            _exit(0);
        }
    sleep_ms(1);
    shared[0] = random_word() | 1;
    for (int i = 0; i < children; i++) {
        while (!__atomic_load_n(&shared[10 + i], __ATOMIC_ACQUIRE))
            sched_yield();
        CHECK(shared[100 + i] == shared[0] * (unsigned)(i + 3) + (unsigned)pids[i]);
        printf("%016llx\n", (unsigned long long)shared[100 + i]);
    }
    for (int i = 0; i < children; i++)
        join(pids[i], 0);
    return 0;
}
