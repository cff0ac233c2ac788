/* exit: 0 */
/* arch: x86_64 */
/* The bases of segments by arch_prctl, a local descriptor table by modify_ldt, and their keeping across signals. */
#include "check.h"

#include <asm/ldt.h>
#include <asm/prctl.h>
#include <signal.h>
#include <sys/syscall.h>

static volatile int count;

static void on_alarm(int number) {
    (void)number;
    count++;
}

static uint64_t through_gs(void) {
    uint64_t value;

    __asm__ volatile("movq %%gs:8, %0" : "=r"(value) : : "memory");
    return value;
}

int main(void) {
    static uint64_t area[2];
    unsigned long base;
    struct user_desc entry = {
        .entry_number = 0, .base_addr = 0, .limit = 0xfffff, .seg_32bit = 1, .limit_in_pages = 1, .useable = 1};
    char table[64];

    area[1] = random_word();
    CHECK(syscall(SYS_arch_prctl, ARCH_SET_GS, area) == 0 && through_gs() == area[1]);
    CHECK(syscall(SYS_arch_prctl, ARCH_GET_GS, &base) == 0 && base == (uintptr_t)area);
    CHECK(syscall(SYS_arch_prctl, ARCH_GET_FS, &base) == 0);
    printf("thread pointer %lx\n", base);
    signal(SIGALRM, on_alarm);
    ualarm(1000, 1000);
    while (count < 5)
        CHECK(through_gs() == area[1]);
    ualarm(0, 0);
    pid_t child = fork();
    if (child == 0)
        _exit(through_gs() == area[1] ? 4 : 1);
    join(child, 4);
    int result = (int)syscall(SYS_modify_ldt, 1, &entry, sizeof entry);
    if (!absent(result, "modify_ldt")) {
        long size = syscall(SYS_modify_ldt, 0, table, sizeof table);
        CHECK(result == 0 && size >= 8);
        printf("table of %ld: %016llx\n", size, (unsigned long long)hash_of(table, 8));
    }
    entry.entry_number = (unsigned)-1;
    result = (int)syscall(SYS_set_thread_area, &entry);
    CHECK(syscall(SYS_get_thread_area, &entry) == result);
    printf("thread area %d: %u, gs %016llx\n", result, entry.entry_number, (unsigned long long)through_gs());
    printf("iopl %ld, ioperm %ld\n", syscall(SYS_iopl, 0), syscall(SYS_ioperm, 0x80, 1, 0));
    return 0;
}
