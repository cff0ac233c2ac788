/* exit: 0 */
/* POSIX message queues: priorities, attributes, time limits, notification by a signal. */
#include "check.h"

#include <fcntl.h>
#include <mqueue.h>
#include <signal.h>

static volatile sig_atomic_t notified, code;

static void on_message(int number, siginfo_t *info, void *context) {
    (void)number;
    (void)context;
    code = info->si_code;
    notified++;
}

int main(void) {
    struct sigaction action = {.sa_sigaction = on_message, .sa_flags = SA_SIGINFO};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    struct mq_attr attributes = {.mq_maxmsg = 5, .mq_msgsize = 100}, got;
    char name[64], text[100];
    unsigned priority;

    snprintf(name, sizeof name, "/retrograde-%d-%llx", getpid(), (unsigned long long)random_word());
    mqd_t queue = mq_open(name, O_CREAT | O_EXCL | O_RDWR, 0600, &attributes);
    if (absent(queue, "POSIX message queues"))
        return 0;
    CHECK(queue >= 0 && mq_unlink(name) == 0 && sigaction(SIGUSR1, &action, NULL) == 0);
    CHECK(mq_notify(queue, &event) == 0);
    pid_t child = fork();
    if (child == 0) {
        for (unsigned i = 0; i < 4; i++) {
            fill_random(text, sizeof text);
            CHECK(mq_send(queue, text, 20 + i, i * 7 % 4) == 0);
        }
        _exit(0);
    }
    join(child, 0);
    CHECK(notified == 1 && code == SI_MESGQ);
    CHECK(mq_getattr(queue, &got) == 0 && got.mq_curmsgs == 4 && got.mq_maxmsg == 5);
    for (int i = 3; i >= 0; i--) {
        ssize_t size = mq_receive(queue, text, sizeof text, &priority);
        CHECK(size >= 20 && (int)priority == i);
        printf("%u: %016llx\n", priority, (unsigned long long)hash_of(text, (size_t)size));
    }
    struct timespec now;
    CHECK(clock_gettime(CLOCK_REALTIME, &now) == 0);
    CHECK(mq_timedreceive(queue, text, sizeof text, NULL, &now) == -1 && errno == ETIMEDOUT);
    attributes.mq_flags = O_NONBLOCK;
    CHECK(mq_setattr(queue, &attributes, NULL) == 0 && mq_receive(queue, text, sizeof text, NULL) == -1 &&
          errno == EAGAIN);
    CHECK(mq_receive(queue, text, 10, NULL) == -1 && errno == EMSGSIZE && mq_close(queue) == 0);
    return 0;
}
