/* exit: 0 */
/* arch: x86_64 */
/* Calls of the 32-bit kind, by interrupt 0x80 from a 64-bit program, where the kernel takes them. */
#include "check.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

static sigjmp_buf place;

static void on_fault(int number) {
    siglongjmp(place, number);
}

static int call(int number, long first, long second, long third) {
    long result;

    __asm__ volatile("int $0x80"
                     : "=a"(result)
                     : "a"((long)number), "b"(first), "c"(second), "d"(third)
                     : "memory", "r8", "r9", "r10", "r11");
    return (int)result;
}

int main(void) {
    signal(SIGSEGV, on_fault);
    if (sigsetjmp(place, 1)) {
        printf("none in %d\n", getpid());
        return 0;
    }
    int number = call(20 /* getpid */, 0, 0, 0);
    if (number == -ENOSYS) {
        printf("none in %d\n", getpid());
        return 0;
    }
    CHECK(number == getpid());
    char *low = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    CHECK(low != MAP_FAILED && call(265 /* clock_gettime */, CLOCK_MONOTONIC, (long)low, 0) == 0);
    printf("%d at %d.%09d\n", number, *(int *)low, *(int *)(low + 4));
    int length = sprintf(low, "written by %d\n", number);
    CHECK(call(4 /* write */, 1, (long)low, length) == length);
    return 0;
}
