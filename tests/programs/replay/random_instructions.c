/* exit: 0 */
/* arch: x86_64 */
/* rdrand, rdseed and rdpid, of every width and into any register: what they gave is printed. And bytes like theirs. */
#include "check.h"

#include <cpuid.h>
#include <pthread.h>
#include <sys/wait.h>

#define GIVE(instruction, type, registers)                                                                             \
    static int instruction##_into_##registers(type *value) {                                                           \
        register uint64_t number asm(#registers) = 0x1111111111111111;                                                 \
        unsigned char success;                                                                                         \
        asm volatile(#instruction " %" WIDTH "0\n\tsetc %1" : "+r"(number), "=qm"(success) : : "cc");                  \
        *value = (type)number;                                                                                         \
        CHECK(sizeof(type) == 2 ? number >> 16 == 0x111111111111 : sizeof(type) == 8 || number >> 32 == 0);            \
        return success;                                                                                                \
    }

#define WIDTH "w"
GIVE(rdrand, uint16_t, rax)
GIVE(rdseed, uint16_t, r9)
#undef WIDTH
#define WIDTH "k"
GIVE(rdrand, uint32_t, rbx)
GIVE(rdseed, uint32_t, rdi)
#undef WIDTH
#define WIDTH "q"
GIVE(rdrand, uint64_t, r15)
GIVE(rdseed, uint64_t, rsi)

/* Nobody but these bytes' neighbours can tell that they are no rdrand. */
static unsigned __attribute__((noinline)) bytes_of_rdrand(void) {
    unsigned value;
    asm volatile("mov $0x72f0c70f, %0" : "=r"(value));
    return value;
}

static const unsigned char in_memory[] = {0x0f, 0xc7, 0xf0, 0x72};

static void *work(void *unused) {
    uint16_t small = 0;
    uint32_t middle = 0;
    uint64_t large = 0, sum = 0;

    for (int i = 0; i < 20; i++) {
        CHECK(rdrand_into_rax(&small) && rdrand_into_rbx(&middle) && rdrand_into_r15(&large));
        sum = sum * 31 + small + middle + large;
        int few = rdseed_into_r9(&small) + rdseed_into_rdi(&middle) + rdseed_into_rsi(&large);
        sum = sum * 31 + small + middle + large + few;
    }
    printf("%x %x %llx %llx\n", small, middle, (unsigned long long)large, (unsigned long long)sum);
    return unused;
}

int main(void) {
    unsigned a, b, c, d;
    pthread_t id;

    CHECK(bytes_of_rdrand() == 0x72f0c70f && in_memory[1] == 0xc7);
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_RDRND) || !__get_cpuid_count(7, 0, &a, &b, &c, &d) ||
        !(b & bit_RDSEED)) {
        puts("this processor has no random numbers");
        return 0;
    }
    if (c & bit_RDPID) {
        uint64_t processor = ~0ull;
        asm volatile("rdpid %0" : "=r"(processor));
        CHECK(processor <= 0xffffffff);
        printf("on %u\n", (unsigned)processor & 0xfff);
    }
    work(NULL);
    CHECK(pthread_create(&id, NULL, work, NULL) == 0);
    CHECK(pthread_join(id, NULL) == 0);
    fflush(stdout);
    if (fork() == 0) {
        work(NULL);
        exit(0);
    }
    CHECK(wait(NULL) > 0);
    return 0;
}
