/* exit: 0 */
/* io_uring: used where it is there, and done without where it is not. */
#include "check.h"

#include <fcntl.h>
#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/syscall.h>

int main(void) {
    struct io_uring_params parameters = {0};
    char text[17] = "";

    int file = open("data", O_CREAT | O_RDWR, 0600);
    snprintf(text, sizeof text, "%016llx", (unsigned long long)random_word());
    CHECK(write(file, text, 16) == 16);
    memset(text, 0, sizeof text);
    int ring = (int)syscall(SYS_io_uring_setup, 4, &parameters);
    if (absent(ring, "io_uring")) {
        CHECK(pread(file, text, 16, 0) == 16);
        printf("%s\n", text);
        return 0;
    }
    unsigned char *queue = mmap(NULL, parameters.sq_off.array + 4 * parameters.sq_entries, PROT_READ | PROT_WRITE,
                                MAP_SHARED, ring, IORING_OFF_SQ_RING);
    unsigned char *results = mmap(NULL, parameters.cq_off.cqes + parameters.cq_entries * sizeof(struct io_uring_cqe),
                                  PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_CQ_RING);
    struct io_uring_sqe *entries =
        mmap(NULL, parameters.sq_entries * sizeof *entries, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQES);
    CHECK(queue != MAP_FAILED && results != MAP_FAILED && entries != MAP_FAILED);
    entries[0] = (struct io_uring_sqe){.opcode = IORING_OP_READ, .fd = file, .addr = (uintptr_t)text, .len = 16};
    ((unsigned *)(queue + parameters.sq_off.array))[0] = 0;
    __atomic_store_n((unsigned *)(queue + parameters.sq_off.tail), 1, __ATOMIC_RELEASE);
    CHECK(syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) == 1);
    struct io_uring_cqe *result = (void *)(results + parameters.cq_off.cqes);
    CHECK(result->res == 16);
    printf("%s\n", text);
    return 0;
}
