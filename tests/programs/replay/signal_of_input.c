/* exit: 0 */
/* O_ASYNC with F_SETOWN and F_SETSIG: the kernel sends a signal with the descriptor when there is input. */
#include "check.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>

static volatile sig_atomic_t count, fd, band;

static void on_input(int number, siginfo_t *info, void *context) {
    (void)number;
    (void)context;
    fd = info->si_fd;
    band = (int)info->si_band;
    count++;
}

int main(void) {
    struct sigaction action = {.sa_sigaction = on_input, .sa_flags = SA_SIGINFO | SA_RESTART};
    int ends[2];
    char text[100];

    CHECK(sigaction(SIGRTMIN + 1, &action, NULL) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    CHECK(fcntl(ends[0], F_SETOWN, getpid()) == 0 && fcntl(ends[0], F_SETSIG, SIGRTMIN + 1) == 0);
    CHECK(fcntl(ends[0], F_SETFL, O_ASYNC | O_NONBLOCK) == 0);
    for (int i = 0; i < 3; i++) {
        int before = count;
        CHECK(write(ends[1], "input", 5) == 5);
        while (count == before)
            ;
        CHECK(fd == ends[0] && read(ends[0], text, sizeof text) == 5);
    }
    printf("%d signals for %d, band %x\n", count > 0, fd, band);
    return 0;
}
