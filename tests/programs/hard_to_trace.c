/*
 * What makes a tracer stumble, one case each. Exits with 0 when the program saw what it would see without a tracer.
 * usage: hard_to_trace CASE [FILE]
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/sched.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t seen;
static siginfo_t last;

static void on_signal(int number, siginfo_t *info, void *context) {
    (void)context;
    seen += number;
    last = *info;
}

static void catch (int number, int flags) {
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | flags};
    sigaction(number, &action, NULL);
}

static void *exec_again(void *program) {
    execl(program, program, "done", NULL);
    return NULL;
}

static void *sleep_long(void *unused) {
    (void)unused;
    for (;;)
        pause();
}

/* The main thread waits while another executes a program: that thread takes the process's id. */
static int thread_exec(char *program) {
    pthread_t a, b;
    pthread_create(&a, NULL, sleep_long, NULL);
    pthread_create(&b, NULL, exec_again, program);
    pthread_join(b, NULL);
    return 1;
}

static int vforks(void) {
    for (int i = 0; i < 20; i++) {
        pid_t child = vfork();
        if (child == 0)
            _exit(5);
        int status;
        if (waitpid(child, &status, 0) != child || WEXITSTATUS(status) != 5)
            return 1;
    }
    return 0;
}

static int clone3s(void) {
    for (int i = 0; i < 20; i++) {
        struct clone_args arguments = {.exit_signal = SIGCHLD};
        long child = syscall(SYS_clone3, &arguments, sizeof arguments);
        if (child == 0)
            _exit(5);
        int status;
        if (waitpid(child, &status, 0) != child || WEXITSTATUS(status) != 5)
            return 1;
    }
    return 0;
}

/* A child stops, and goes on, as its parent says. */
static int stops(void) {
    pid_t child = fork();
    if (child == 0)
        sleep_long(NULL);
    int status;
    for (int i = 0; i < 5; i++) {
        kill(child, SIGSTOP);
        if (waitpid(child, &status, WUNTRACED) != child || !WIFSTOPPED(status) || WSTOPSIG(status) != SIGSTOP)
            return 1;
        kill(child, SIGCONT);
        if (waitpid(child, &status, WCONTINUED) != child || !WIFCONTINUED(status))
            return 2;
    }
    kill(child, SIGTERM);
    return waitpid(child, &status, 0) != child || !WIFSIGNALED(status) || WTERMSIG(status) != SIGTERM;
}

static int signals(void) {
    union sigval value = {.sival_int = 4711};
    int sum = 0;
    for (int number = 1; number <= SIGRTMAX; number++) {
        if (number == SIGKILL || number == SIGSTOP || number == 32 || number == 33)
            continue;
        catch (number, 0);
        seen = 0;
        if (sigqueue(getpid(), number, value) || seen != number || last.si_code != SI_QUEUE ||
            last.si_pid != getpid() || last.si_value.sival_int != 4711)
            return number;
        sum += number;
    }
    /* a trap and a fault that the program handles by itself */
    seen = 0;
    raise(SIGTRAP);
    return seen == SIGTRAP && sum ? 0 : 100;
}

/* A read that a signal interrupts: it goes on with SA_RESTART, and fails with EINTR without. */
static int restarts(void) {
    struct timespec pause_time = {0, 50000000};
    for (int restart = 0; restart < 2; restart++) {
        int ends[2];
        char byte;
        if (pipe(ends))
            return 1;
        catch (SIGUSR1, restart ? SA_RESTART : 0);
        seen = 0;
        pid_t parent = getpid(), child = fork();
        if (child == 0) {
            nanosleep(&pause_time, NULL);
            kill(parent, SIGUSR1);
            nanosleep(&pause_time, NULL);
            _exit(write(ends[1], "x", 1) != 1);
        }
        ssize_t got = read(ends[0], &byte, 1);
        if (restart ? got != 1 : (got != -1 || errno != EINTR))
            return 2;
        if (seen != SIGUSR1)
            return 3;
        waitpid(child, NULL, 0);
    }
    return 0;
}

/* A sleep that is stopped and continued sleeps for its whole time, in restart_syscall. */
static int restart_block(void) {
    pid_t parent = getpid(), child = fork();
    struct timespec short_time = {0, 50000000}, long_time = {0, 400000000}, begin, end;
    if (child == 0) {
        nanosleep(&short_time, NULL);
        kill(parent, SIGSTOP);
        nanosleep(&short_time, NULL);
        kill(parent, SIGCONT);
        _exit(0);
    }
    clock_gettime(CLOCK_MONOTONIC, &begin);
    if (nanosleep(&long_time, NULL))
        return 1;
    clock_gettime(CLOCK_MONOTONIC, &end);
    double slept = (double)(end.tv_sec - begin.tv_sec) + 1e-9 * (double)(end.tv_nsec - begin.tv_nsec);
    waitpid(child, NULL, 0);
    return slept < 0.4;
}

static int killed(void) {
    pid_t child = fork();
    if (child == 0)
        sleep_long(NULL);
    usleep(50000);
    kill(child, SIGKILL);
    int status;
    return waitpid(child, &status, 0) != child || !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL;
}

static int compat(void) {
#ifdef __x86_64__
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "0"(20L) : "memory"); /* getpid */
    return result != getpid();
#else
    return 77;
#endif
}

/* Threads and forks until FILE can be written: it is there when the program has survived. */
static void *ask(void *stop) {
    while (!*(volatile int *)stop)
        syscall(SYS_getppid);
    return NULL;
}

static int busy(const char *file) {
    pthread_t threads[3];
    int stop = 0, rounds = 0;
    struct timespec now, begin;
    for (int i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, ask, &stop);
    clock_gettime(CLOCK_MONOTONIC, &begin);
    do {
        pid_t child = fork();
        if (child == 0)
            _exit(0);
        int status;
        if (waitpid(child, &status, 0) != child || status != 0)
            return 1;
        rounds++;
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while (now.tv_sec - begin.tv_sec < 3);
    stop = 1;
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    FILE *out = fopen(file, "w");
    return !out || fprintf(out, "survived") < 0 || fclose(out);
}

int main(int argc, char **argv) {
    const char *name = argc > 1 ? argv[1] : "";
    if (!strcmp(name, "done"))
        return 0;
    if (!strcmp(name, "thread_exec"))
        return thread_exec(argv[0]);
    if (!strcmp(name, "vforks"))
        return vforks();
    if (!strcmp(name, "clone3s"))
        return clone3s();
    if (!strcmp(name, "stops"))
        return stops();
    if (!strcmp(name, "signals"))
        return signals();
    if (!strcmp(name, "restarts"))
        return restarts();
    if (!strcmp(name, "restart_block"))
        return restart_block();
    if (!strcmp(name, "killed"))
        return killed();
    if (!strcmp(name, "compat"))
        return compat();
    if (!strcmp(name, "busy") && argc > 2)
        return busy(argv[2]);
    return 2;
}
