/* exit: 0 */
/* Threads on stacks of their own, with names, guard sizes and CPU clocks. */
#include "check.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>

static void *work(void *stack) {
    char name[16];
    clockid_t clock;
    struct timespec used;
    char here;

    CHECK(&here > (char *)stack && &here < (char *)stack + (1 << 20));
    CHECK(pthread_setname_np(pthread_self(), "worker") == 0 && prctl(PR_GET_NAME, name) == 0);
    CHECK(strcmp(name, "worker") == 0 && prctl(PR_SET_NAME, "a name too long for it") == 0);
    CHECK(pthread_getname_np(pthread_self(), name, sizeof name) == 0 && strcmp(name, "a name too long") == 0);
    for (volatile int i = 0; i < 100000; i++)
        ;
    CHECK(pthread_getcpuclockid(pthread_self(), &clock) == 0 && clock_gettime(clock, &used) == 0);
    printf("%s used %ld ns at %p\n", name, used.tv_nsec, (void *)&here);
    return NULL;
}

int main(void) {
    void *stack = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    pthread_attr_t attributes;
    pthread_t id;
    void *got;
    size_t size;

    CHECK(stack != MAP_FAILED && pthread_attr_init(&attributes) == 0);
    CHECK(pthread_attr_setstack(&attributes, stack, 1 << 20) == 0);
    CHECK(pthread_create(&id, &attributes, work, stack) == 0 && pthread_join(id, NULL) == 0);
    CHECK(pthread_getattr_np(pthread_self(), &attributes) == 0);
    CHECK(pthread_attr_getstack(&attributes, &got, &size) == 0);
    printf("main's stack is %zu from %p\n", size, got);
    return 0;
}
