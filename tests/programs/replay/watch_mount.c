/* exit: 0 */
/* needs: root */
/* What fanotify does: opens and writes of files, with descriptors that the kernel makes. */
#include "check.h"

#include <fcntl.h>
#include <sys/fanotify.h>

int main(void) {
    char buffer[4096] __attribute__((aligned(8))), path[64], target[4096];
    int count = 0;

    int watch = fanotify_init(FAN_CLASS_NOTIF | FAN_NONBLOCK | FAN_CLOEXEC, O_RDONLY);
    if (absent(watch, "fanotify"))
        return 0;
    CHECK(close(open("file", O_CREAT | O_WRONLY, 0600)) == 0);
    int result = fanotify_mark(watch, FAN_MARK_ADD, FAN_OPEN | FAN_MODIFY | FAN_CLOSE, AT_FDCWD, "file");
    if (result == -1 && errno == ENODEV) {
        printf("no fanotify on this file system\n");
        return 0;
    }
    CHECK(result == 0);
    int file = open("file", O_RDWR);
    CHECK(write(file, "x", 1) == 1 && close(file) == 0);
    for (ssize_t size; (size = read(watch, buffer, sizeof buffer)) > 0;)
        for (struct fanotify_event_metadata *event = (void *)buffer; FAN_EVENT_OK(event, size);
             event = FAN_EVENT_NEXT(event, size), count++) {
            snprintf(path, sizeof path, "/proc/self/fd/%d", event->fd);
            ssize_t length = readlink(path, target, sizeof target);
            printf("%llx by %d: %d, %.*s\n", (unsigned long long)event->mask, event->pid, event->fd, (int)length,
                   target);
            CHECK(event->pid == getpid() && close(event->fd) == 0);
        }
    CHECK(count >= 1);
    return 0;
}
