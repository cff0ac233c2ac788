/* exit: 0 */
/* Atomic counters and a lock-free stack between threads that make no calls while they work. */
#include "check.h"

#include <pthread.h>
#include <stdatomic.h>

enum { threads = 3, rounds = 20000 };

struct node {
    struct node *next;
    unsigned owner;
};

static _Atomic(struct node *) top;
static atomic_uint counter;
static atomic_ullong exchanged = 1;
static struct node nodes[threads][rounds];

static void *work(void *argument) {
    unsigned index = (unsigned)(uintptr_t)argument;

    for (int i = 0; i < rounds; i++) {
        struct node *node = &nodes[index][i];
        node->owner = index;
        node->next = atomic_load(&top);
        while (!atomic_compare_exchange_weak(&top, &node->next, node))
            ;
        atomic_fetch_add(&counter, 1);
        unsigned long long old = atomic_load(&exchanged);
        while (!atomic_compare_exchange_weak(&exchanged, &old, old * 31 + index))
            ;
    }
    return NULL;
}

int main(void) {
    pthread_t ids[threads];
    uint64_t order = 0;
    int length = 0;

    for (uintptr_t i = 0; i < threads; i++)
        CHECK(pthread_create(&ids[i], NULL, work, (void *)i) == 0);
    for (int i = 0; i < threads; i++)
        CHECK(pthread_join(ids[i], NULL) == 0);
    for (struct node *node = top; node; node = node->next, length++)
        order = order * 31 + node->owner;
    CHECK(length == threads * rounds && counter == threads * rounds);
    printf("stack %016llx, exchanged %016llx\n", (unsigned long long)order, (unsigned long long)exchanged);
    return 0;
}
