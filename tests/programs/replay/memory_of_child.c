/* exit: 0 */
/* process_vm_readv and process_vm_writev: the memory of a child, of the caller, and of nobody. */
#include "check.h"

#include <signal.h>
#include <sys/uio.h>

int main(void) {
    static uint64_t words[4], got[4];
    int ends[2];
    char byte;

    CHECK(pipe(ends) == 0);
    fill_random(words, sizeof words);
    pid_t child = fork();
    if (child == 0) {
        words[1] = random_word();
        CHECK(write(ends[1], "x", 1) == 1);
        while (*(volatile uint64_t *)&words[2] != 0)
            usleep(500);
        _exit(13);
    }
    CHECK(read(ends[0], &byte, 1) == 1);
    struct iovec local[] = {{got, 8}, {got + 1, 16}}, remote[] = {{words, 12}, {(char *)words + 12, 12}};
    ssize_t size = process_vm_readv(child, local, 2, remote, 2, 0);
    if (absent(size, "process_vm_readv")) {
        CHECK(kill(child, SIGKILL) == 0 && WIFSIGNALED(status_of(child)));
        return 0;
    }
    CHECK(size == 24 && got[0] == words[0] && got[1] != words[1] && got[2] == words[2]);
    printf("%016llx\n", (unsigned long long)got[1]);
    uint64_t zero = 0;
    CHECK(process_vm_writev(child, &(struct iovec){&zero, 8}, 1, &(struct iovec){&words[2], 8}, 1, 0) == 8);
    join(child, 13);
    CHECK(process_vm_readv(getpid(), &(struct iovec){got, 32}, 1, &(struct iovec){words, 32}, 1, 0) == 32);
    CHECK(process_vm_writev(getpid(), &(struct iovec){&zero, 8}, 1, &(struct iovec){&words[3], 8}, 1, 0) == 8 &&
          *(volatile uint64_t *)&words[3] == 0);
    CHECK(process_vm_readv(0x3fffffff, local, 1, remote, 1, 0) == -1 && errno == ESRCH);
    CHECK(process_vm_readv(getpid(), local, 1, &(struct iovec){(void *)8, 8}, 1, 0) == -1 && errno == EFAULT);
    return 0;
}
