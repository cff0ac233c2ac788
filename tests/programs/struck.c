// Signals that strike in the middle of a computation, on an alternate stack, for a fault, and nested; and reads of the
// time stamp counter. Prints "2 1 1 1". With an argument: reads the counter, and random numbers that the processor
// gives, for so many seconds, in two threads.
#define _GNU_SOURCE
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile int alarms, users, faults;
static sigjmp_buf back;

static unsigned long long counter(void) {
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#else
    unsigned long long value;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(value));
    return value;
#endif
}

static unsigned random_number(void) {
    unsigned value = 0;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("rdrnd"))
        __asm__ volatile("rdrand %0" : "=r"(value) : : "cc");
#endif
    return value;
}

static void *ask_until(void *end) {
    while (time(NULL) < *(time_t *)end)
        counter(), random_number();
    return NULL;
}

static void on_alarm(int signal) {
    (void)signal;
    alarms++;
}

static void on_user(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info, (void)context;
    users++;
}

static void on_fault(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info, (void)context;
    faults++;
    siglongjmp(back, 1);
}

static void handle(int signal, void (*handler)(int, siginfo_t *, void *), int flags) {
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags};
    sigaction(signal, &action, NULL);
}

int main(int count, char **words) {
    static char stack[65536];
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction plain = {.sa_handler = on_alarm};
    struct itimerval often = {{0, 3000}, {0, 3000}}, never = {{0, 0}, {0, 0}};
    unsigned long long before, after;
    sigset_t blocked, old;

    if (count > 1) {
        time_t end = time(NULL) + atoi(words[1]);
        pthread_t other;
        pthread_create(&other, NULL, ask_until, &end);
        ask_until(&end);
        pthread_join(other, NULL);
        puts("done");
        return 0;
    }
    sigaction(SIGALRM, &plain, NULL);
    sigaltstack(&alternate, NULL);
    handle(SIGUSR1, on_user, SA_ONSTACK);
    handle(SIGSEGV, on_fault, 0);
    raise(SIGUSR1);

    setitimer(ITIMER_REAL, &often, NULL);
    for (volatile unsigned long n = 0; alarms < 10; n++) {
    }
    setitimer(ITIMER_REAL, &never, NULL);

    if (!sigsetjmp(back, 1))
        *(volatile int *)8 = 1;
    before = counter();
    after = counter();

    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    sigaddset(&blocked, SIGALRM);
    sigprocmask(SIG_BLOCK, &blocked, &old);
    kill(getpid(), SIGUSR1);
    kill(getpid(), SIGALRM);
    sigprocmask(SIG_SETMASK, &old, NULL);
    printf("%d %d %d %d\n", users, faults, after >= before, alarms >= 11);
    return 0;
}
