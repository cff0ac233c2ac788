/* exit: 0 */
/* F_SETLEASE and F_NOTIFY: signals when another process opens a file, and when a folder changes. */
#include "check.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

static volatile sig_atomic_t leases, notices, which;

static void on_lease(int number, siginfo_t *info, void *context) {
    (void)number;
    (void)context;
    which = info->si_fd;
    leases++;
}

static void on_notice(int number) {
    (void)number;
    notices++;
}

int main(void) {
    struct sigaction action = {.sa_sigaction = on_lease, .sa_flags = SA_SIGINFO};

    CHECK(sigaction(SIGRTMIN, &action, NULL) == 0 && mkdir("folder", 0700) == 0);
    signal(SIGIO, on_notice);
    int file = open("leased", O_CREAT | O_RDWR, 0600);
    CHECK(fcntl(file, F_SETSIG, SIGRTMIN) == 0);
    int result = fcntl(file, F_SETLEASE, F_WRLCK);
    if (result == 0) {
        CHECK(fcntl(file, F_GETLEASE) == F_WRLCK);
        pid_t child = fork();
        if (child == 0) {
            close(file); /* the lease is of the open file, which is shared */
            int own = open("leased", O_RDWR);
            printf("opened by %d\n", getpid());
            _exit(own >= 0 ? 3 : 1);
        }
        while (!leases)
            sleep_ms(1);
        printf("lease of %d asked for, now %d\n", which, fcntl(file, F_GETLEASE));
        CHECK(fcntl(file, F_SETLEASE, F_UNLCK) == 0);
        join(child, 3);
    } else
        printf("no lease here: %s\n", strerror(errno));
    int folder = open("folder", O_RDONLY);
    result = fcntl(folder, F_NOTIFY, DN_CREATE | DN_DELETE | DN_MULTISHOT);
    if (result == 0) {
        CHECK(close(open("folder/new", O_CREAT | O_WRONLY, 0600)) == 0 && unlink("folder/new") == 0);
        CHECK(notices > 0);
        printf("%d notices\n", notices);
    } else
        printf("no notices here: %s\n", strerror(errno));
    return 0;
}
