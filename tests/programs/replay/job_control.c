/* exit: 0 */
/* What a shell does: a session with a terminal, jobs in the foreground and background, ^C, ^Z, and going on. */
#include "check.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>

static int master, terminal;

static pid_t start_job(void) {
    pid_t job = fork();

    if (job == 0) {
        setpgid(0, 0);
        signal(SIGTTOU, SIG_DFL);
        for (;;)
            pause();
    }
    CHECK(setpgid(job, job) == 0);
    return job;
}

static void shell(void) {
    int status;
    char byte;

    CHECK(setsid() == getpid());
    CHECK(ioctl(terminal, TIOCSCTTY, 0) == 0 && tcgetsid(terminal) == getpid());
    signal(SIGTTOU, SIG_IGN);
    pid_t job = start_job();
    CHECK(tcsetpgrp(terminal, job) == 0 && tcgetpgrp(terminal) == job);
    CHECK(write(master, "\x1a", 1) == 1); /* ^Z */
    CHECK(waitpid(job, &status, WUNTRACED) == job && WIFSTOPPED(status) && WSTOPSIG(status) == SIGTSTP);
    printf("job %d stopped\n", job);
    CHECK(tcsetpgrp(terminal, getpgrp()) == 0 && kill(-job, SIGCONT) == 0);
    CHECK(waitpid(job, &status, WCONTINUED) == job && WIFCONTINUED(status));
    CHECK(tcsetpgrp(terminal, job) == 0 && write(master, "\x03", 1) == 1); /* ^C */
    CHECK(waitpid(job, &status, 0) == job && WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
    printf("job %d interrupted\n", job);
    CHECK(tcsetpgrp(terminal, getpgrp()) == 0);
    pid_t reader = fork();
    if (reader == 0) {
        CHECK(setpgid(0, 0) == 0);
        signal(SIGTTIN, SIG_DFL);
        _exit(read(terminal, &byte, 1) == 1 && byte == '\n' ? 0 : 1);
    }
    CHECK(waitpid(reader, &status, WUNTRACED) == reader && WIFSTOPPED(status) && WSTOPSIG(status) == SIGTTIN);
    CHECK(tcsetpgrp(terminal, reader) == 0 && write(master, "\n", 1) == 1 && kill(-reader, SIGCONT) == 0);
    CHECK(waitpid(reader, &status, 0) == reader && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    printf("reader %d got its line\n", reader);
    CHECK(tcsetpgrp(terminal, getpgrp()) == 0);
    _exit(11);
}

int main(void) {
    master = posix_openpt(O_RDWR | O_NOCTTY);
    if (master == -1) {
        printf("no pseudo-terminals here: %s\n", strerror(errno));
        return 0;
    }
    CHECK(grantpt(master) == 0 && unlockpt(master) == 0);
    terminal = open(ptsname(master), O_RDWR | O_NOCTTY);
    CHECK(terminal >= 0);
    pid_t child = fork();
    if (child == 0)
        shell();
    join(child, 11);
    return 0;
}
