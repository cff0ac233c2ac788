/* exit: 0 */
/* What inotify does: what happens in a folder and to a file, renames with their cookies, and removal. */
#include "check.h"

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>

int main(void) {
    char buffer[4096] __attribute__((aligned(8)));
    int count = 0;

    CHECK(mkdir("folder", 0700) == 0 && chdir("folder") == 0);
    int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC), folder = inotify_add_watch(watch, ".", IN_ALL_EVENTS);
    CHECK(watch >= 0 && folder == 1 && read(watch, buffer, sizeof buffer) == -1 && errno == EAGAIN);
    int file = open("file", O_CREAT | O_RDWR, 0600);
    CHECK(write(file, "x", 1) == 1 && close(file) == 0 && chmod("file", 0644) == 0);
    CHECK(inotify_add_watch(watch, "file", IN_MODIFY | IN_DELETE_SELF) == 2);
    pid_t child = fork();
    if (child == 0) {
        CHECK(truncate("file", 10) == 0 && rename("file", "other") == 0 && unlink("other") == 0);
        _exit(0);
    }
    join(child, 0);
    CHECK(mkdir("sub", 0700) == 0 && inotify_rm_watch(watch, folder) == 0);
    for (ssize_t size; (size = read(watch, buffer, 200)) > 0;)
        for (char *at = buffer; at < buffer + size; count++) {
            struct inotify_event *event = (void *)at;
            printf("%d %x %u %s\n", event->wd, event->mask, event->cookie, event->len ? event->name : "");
            at += sizeof *event + event->len;
        }
    CHECK(errno == EAGAIN && count > 8);
    CHECK(inotify_add_watch(watch, "none", IN_OPEN) == -1 && errno == ENOENT);
    return 0;
}
