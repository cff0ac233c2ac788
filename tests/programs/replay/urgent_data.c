/* exit: 0 */
/* TCP's urgent data: SIGURG, the mark, and the byte itself read out of line and in line. */
#include "check.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static volatile sig_atomic_t urgent;

static void on_urgent(int number) {
    (void)number;
    urgent++;
}

int main(void) {
    struct sockaddr_in address = {AF_INET, 0, {htonl(INADDR_LOOPBACK)}, {0}}, peer;
    socklen_t length = sizeof address;
    char text[100];
    int mark;

    signal(SIGURG, on_urgent);
    int listener = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(bind(listener, (void *)&address, sizeof address) == 0 && listen(listener, 1) == 0 &&
          getsockname(listener, (void *)&address, &length) == 0);
    CHECK(connect(client, (void *)&address, sizeof address) == 0);
    int server = accept(listener, NULL, NULL), own = getpid();
    length = sizeof peer;
    CHECK(getpeername(server, (void *)&peer, &length) == 0);
    printf("peer at port %d\n", ntohs(peer.sin_port));
    CHECK(ioctl(server, FIOSETOWN, &own) == 0 && ioctl(server, SIOCGPGRP, &mark) == 0 && mark == own);
    CHECK(send(client, "before", 6, 0) == 6 && send(client, "!", 1, MSG_OOB) == 1 && send(client, "after", 5, 0) == 5);
    while (!urgent)
        sleep_ms(1);
    CHECK(recv(server, text, 6, MSG_WAITALL) == 6 && ioctl(server, SIOCATMARK, &mark) == 0 && mark == 1);
    CHECK(recv(server, text, 1, MSG_OOB) == 1 && text[0] == '!');
    CHECK(recv(server, text, 5, MSG_WAITALL) == 5 && memcmp(text, "after", 5) == 0);
    printf("%d signals\n", urgent > 0);
    return 0;
}
