/* exit: 0 */
/* The kernel's AIO: used where it is there, and done without where it is not; and the C library's own. */
#include "check.h"

#include <aio.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <sys/syscall.h>

int main(void) {
    aio_context_t context = 0;
    char text[17] = "", again[17] = "";

    int file = open("data", O_CREAT | O_RDWR, 0600);
    snprintf(text, sizeof text, "%016llx", (unsigned long long)random_word());
    CHECK(write(file, text, 16) == 16);
    long result = syscall(SYS_io_setup, 4, &context);
    if (!absent(result, "io_setup")) {
        struct iocb block = {.aio_lio_opcode = IOCB_CMD_PREAD,
                             .aio_fildes = (unsigned)file,
                             .aio_buf = (uintptr_t)again,
                             .aio_nbytes = 16};
        struct iocb *blocks[] = {&block};
        struct io_event event;
        CHECK(result == 0 && syscall(SYS_io_submit, context, 1l, blocks) == 1);
        CHECK(syscall(SYS_io_getevents, context, 1l, 1l, &event, NULL) == 1 && event.res == 16);
        CHECK(syscall(SYS_io_destroy, context) == 0 && memcmp(text, again, 16) == 0);
        printf("%s\n", again);
    }
    memset(again, 0, sizeof again);
    struct aiocb request = {.aio_fildes = file, .aio_buf = again, .aio_nbytes = 16};
    const struct aiocb *list[] = {&request};
    CHECK(aio_read(&request) == 0);
    while (aio_error(&request) == EINPROGRESS)
        aio_suspend(list, 1, NULL);
    CHECK(aio_return(&request) == 16 && memcmp(text, again, 16) == 0);
    printf("%s\n", again);
    return 0;
}
