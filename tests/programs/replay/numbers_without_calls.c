/* exit: 0 */
/* Numbers that are no system call, arguments that are no memory, and registers that a call leaves alone. */
#include "check.h"

#include <sys/syscall.h>

int main(void) {
    int ends[2];
    static const long numbers[] = {-1, -100, 400, 1000, 100000, 0x7fffffff, 1l << 40};

    for (size_t i = 0; i < COUNT(numbers); i++) {
        errno = 0;
        long result = syscall(numbers[i], -1, 2, 3, 4, 5, 6);
        printf("%ld: %ld, %s\n", numbers[i], result, strerror(errno));
        CHECK(result == -1);
    }
    CHECK(pipe(ends) == 0 && write(ends[1], "x", 1) == 1);
    CHECK(syscall(SYS_read, ends[0], 8l, 100l) == -1 && syscall(SYS_write, ends[1], 8l, 100l) == -1 && errno == EFAULT);
    CHECK(syscall(SYS_clock_gettime, 0, 8l) == -1 && errno == EFAULT && syscall(SYS_uname, NULL) == -1);
    uint64_t words[4], kept[4];
    fill_random(words, sizeof words);
#ifdef __x86_64__
    long result = SYS_getppid;
    __asm__ volatile("movq %5, %%r8; movq %6, %%r9; movq %7, %%r10; movq %8, %%rbx; syscall\n\t"
                     "movq %%r8, %1; movq %%r9, %2; movq %%r10, %3; movq %%rbx, %4"
                     : "+a"(result), "=m"(kept[0]), "=m"(kept[1]), "=m"(kept[2]), "=m"(kept[3])
                     : "m"(words[0]), "m"(words[1]), "m"(words[2]), "m"(words[3])
                     : "r8", "r9", "r10", "rbx", "rcx", "r11", "memory");
#else
    register long result __asm__("x0") = 0;
    __asm__ volatile("ldp x9, x10, [%1]; ldp x19, x7, [%1, #16]; mov x8, %3; svc #0\n\t"
                     "stp x9, x10, [%2]; stp x19, x7, [%2, #16]"
                     : "+r"(result)
                     : "r"(words), "r"(kept), "r"((long)SYS_getppid)
                     : "x7", "x8", "x9", "x10", "x19", "memory");
#endif
    CHECK(result == getppid() && memcmp(words, kept, sizeof words) == 0);
    printf("%016llx kept\n", (unsigned long long)hash_of(kept, sizeof kept));
    return 0;
}
