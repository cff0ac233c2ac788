/* exit: 0 */
/* arch: arm64 */
/* Signed pointers, whose signature is of keys that the kernel drew at random for the process, over a fork and an exec.
 */
#include "check.h"

#include <sys/prctl.h>

static uint64_t sign(uint64_t pointer, uint64_t salt) {
    register uint64_t x17 __asm__("x17") = pointer;
    register uint64_t x16 __asm__("x16") = salt;

    __asm__ volatile("hint #8" : "+r"(x17) : "r"(x16)); /* pacia1716 */
    return x17;
}

static uint64_t check(uint64_t pointer, uint64_t salt) {
    register uint64_t x17 __asm__("x17") = pointer;
    register uint64_t x16 __asm__("x16") = salt;

    __asm__ volatile("hint #12" : "+r"(x17) : "r"(x16)); /* autia1716 */
    return x17;
}

int main(int argc, char **argv) {
    uint64_t pointer = (uintptr_t)main;

    for (int i = 0; i < 5; i++) {
        uint64_t salt = random_word(), signed_pointer = sign(pointer, salt);
        CHECK(check(signed_pointer, salt) == pointer);
        printf("%016llx\n", (unsigned long long)signed_pointer);
    }
    uint64_t before = sign(pointer, 7);
    pid_t child = fork();
    if (child == 0) {
        printf("child: %016llx\n", (unsigned long long)sign(pointer, 7));
        _exit(sign(pointer, 7) == before ? 2 : 1);
    }
    join(child, 2);
    int result = prctl(54 /* PR_PAC_RESET_KEYS */, 1 /* APIAKEY */, 0, 0, 0);
    printf("new keys %d: %016llx\n", result, (unsigned long long)sign(pointer, 7));
    if (argc == 1) {
        execl("/proc/self/exe", argv[0], "again", NULL);
        return 1;
    }
    return 0;
}
