/* exit: 0 */
/* What epoll does: level and edge triggered, one-shot, changed and removed, with data that comes back. */
#include "check.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

int main(void) {
    struct epoll_event events[8], event = {.events = EPOLLIN};
    int ends[2];
    char text[10];

    CHECK(pipe2(ends, O_NONBLOCK) == 0);
    int level = epoll_create1(EPOLL_CLOEXEC), edge = epoll_create1(0);
    uint64_t word = random_word();
    event.data.u64 = word;
    CHECK(epoll_ctl(level, EPOLL_CTL_ADD, ends[0], &event) == 0);
    CHECK(epoll_ctl(level, EPOLL_CTL_ADD, ends[0], &event) == -1 && errno == EEXIST);
    event.events = EPOLLIN | EPOLLET;
    CHECK(epoll_ctl(edge, EPOLL_CTL_ADD, ends[0], &event) == 0);
    CHECK(epoll_wait(level, events, 8, 0) == 0 && write(ends[1], "12", 2) == 2);
    CHECK(epoll_wait(level, events, 8, -1) == 1 && events[0].data.u64 == word && events[0].events == EPOLLIN);
    CHECK(epoll_wait(level, events, 8, -1) == 1 && epoll_wait(edge, events, 8, -1) == 1 &&
          epoll_wait(edge, events, 8, 1) == 0);
    printf("%016llx\n", (unsigned long long)events[0].data.u64);
    CHECK(write(ends[1], "3", 1) == 1 && epoll_wait(edge, events, 8, 0) == 1);
    event.events = EPOLLIN | EPOLLONESHOT;
    CHECK(epoll_ctl(level, EPOLL_CTL_MOD, ends[0], &event) == 0 && epoll_wait(level, events, 8, 0) == 1 &&
          epoll_wait(level, events, 8, 0) == 0);
    CHECK(read(ends[0], text, sizeof text) == 3 && epoll_ctl(level, EPOLL_CTL_DEL, ends[0], NULL) == 0);
    for (unsigned i = 0; i < 5; i++) {
        event = (struct epoll_event){.events = EPOLLIN | EPOLLOUT, .data = {.u64 = word + i}};
        CHECK(epoll_ctl(level, EPOLL_CTL_ADD, eventfd(i, EFD_NONBLOCK), &event) == 0);
    }
    int count = epoll_pwait(level, events, 8, 100, NULL);
    CHECK(count == 5);
    for (int i = 0; i < count; i++)
        printf("%llu: %x\n", (unsigned long long)(events[i].data.u64 - word), events[i].events);
    count = epoll_pwait2(level, events, 2, &(struct timespec){0, 1000000}, NULL);
    CHECK(count == 2 || absent(count, "epoll_pwait2"));
    event.events = EPOLLIN;
    CHECK(epoll_ctl(level, EPOLL_CTL_ADD, edge, &event) == 0 && epoll_ctl(level, EPOLL_CTL_ADD, level, &event) == -1);
    return 0;
}
