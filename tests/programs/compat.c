/* Makes 32-bit calls from a 64-bit program: getpid three times, and a write whose memory lies below 4 GiB.
 * Exit status 3 where the kernel takes none. */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* arch/x86/entry/syscalls/syscall_32.tbl */
enum { I386_WRITE = 4, I386_GETPID = 20 };

static long call(long nr, long first, long second, long third) {
    long result;

    __asm__ volatile("int $0x80"
                     : "=a"(result)
                     : "a"(nr), "b"(first), "c"(second), "d"(third)
                     : "memory", "r8", "r9", "r10", "r11");
    return result;
}

int main(void) {
    char *low = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

    for (int i = 0; i < 3; i++)
        if (call(I386_GETPID, 0x11, 0x22, 0x33) != getpid())
            return 3;
    memcpy(low, "hello\n", 6);
    if (call(I386_WRITE, 1, (long)low, 6) != 6)
        return 1;
    for (int i = 0; i < 5; i++)
        syscall(SYS_getppid);
    return 0;
}
