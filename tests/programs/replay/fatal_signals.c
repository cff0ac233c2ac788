/* case fatal_read_of_null: null-read | signal: SIGSEGV */
/* case fatal_write_to_text: text-write | signal: SIGSEGV */
/* case fatal_jump_to_null: null-jump | signal: SIGSEGV */
/* case fatal_far_address: far | signal: SIGSEGV */
/* case fatal_stack_overflow: overflow | signal: SIGSEGV */
/* case fatal_illegal_instruction: illegal | signal: SIGILL */
/* case fatal_breakpoint: breakpoint | signal: SIGTRAP */
/* case fatal_bus_error: bus | signal: SIGBUS */
/* case fatal_abort: abort | signal: SIGABRT */
/* case fatal_abort_handled: abort-handled | signal: SIGABRT */
/* case fatal_file_size: file-size | signal: SIGXFSZ */
/* case fatal_alarm: alarm | signal: SIGALRM */
/* case fatal_kill: 9 | signal: SIGKILL */
/* case fatal_hangup: 1 | signal: SIGHUP */
/* case fatal_interrupt: 2 | signal: SIGINT */
/* case fatal_quit: 3 | signal: SIGQUIT */
/* case fatal_arithmetic: 8 | signal: SIGFPE */
/* case fatal_terminate: 15 | signal: SIGTERM */
/* case fatal_bad_call: 31 | signal: SIGSYS */
/* case fatal_real_time: 34 | signal: SIGRTMIN */
/* Each way to die by a signal. */
#include "check.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>

static volatile int endless = 1;

static void on_abort(int number) {
    printf("abort %d is handled, in vain\n", number);
}

__attribute__((noinline)) static int descend(volatile char *previous) {
    volatile char frame[10000];

    frame[0] = previous ? previous[0] : 0;
    return endless ? descend(frame) + frame[0] : 0;
}

static void die(const char *how) {
    volatile char *null = NULL;

    if (strcmp(how, "null-read") == 0)
        printf("%d", null[16]);
    else if (strcmp(how, "text-write") == 0)
        *(volatile char *)(uintptr_t)on_abort = 1;
    else if (strcmp(how, "null-jump") == 0)
        ((void (*)(void))null)();
    else if (strcmp(how, "far") == 0)
        printf("%d", *(volatile char *)0x8123456789abcdef);
    else if (strcmp(how, "overflow") == 0)
        printf("%d", descend(NULL));
    else if (strcmp(how, "illegal") == 0)
        __builtin_trap(); /* ud2; on arm64 a breakpoint, so: */
    else if (strcmp(how, "bus") == 0) {
        int file = open("empty", O_CREAT | O_RDWR, 0600);
        char *map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, file, 0);
        printf("%d", *(volatile char *)map);
    } else if (strncmp(how, "abort", 5) == 0) {
        if (how[5])
            signal(SIGABRT, on_abort);
        abort();
    } else if (strcmp(how, "file-size") == 0) {
        int file = open("large", O_CREAT | O_RDWR, 0600);
        CHECK(setrlimit(RLIMIT_FSIZE, &(struct rlimit){1000, 1000}) == 0);
        CHECK(write(file, how, 5) == 5 && pwrite(file, how, 5, 2000) == 5);
    } else if (strcmp(how, "alarm") == 0) {
        ualarm(3000, 0);
        for (;;)
            endless = 1;
    } else
        raise(atoi(how));
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    printf("%d dies by %s at %lld\n", getpid(), argv[1], (long long)now_ns());
#ifdef __aarch64__
    if (strcmp(argv[1], "illegal") == 0)
        __asm__ volatile(".inst 0"); /* udf #0 */
    if (strcmp(argv[1], "breakpoint") == 0)
        __asm__ volatile("brk #0");
#else
    if (strcmp(argv[1], "breakpoint") == 0)
        __asm__ volatile("int3");
#endif
    die(argv[1]);
    return 1;
}
