/* exit: 0 */
/* pthread spin locks, and which thread had them in what order. */
#include "check.h"

#include <pthread.h>

static pthread_spinlock_t lock;
static uint64_t order;

static void *work(void *argument) {
    for (int i = 0; i < 3000; i++) {
        pthread_spin_lock(&lock);
        order = order * 31 + (uintptr_t)argument;
        pthread_spin_unlock(&lock);
    }
    return NULL;
}

int main(void) {
    pthread_t ids[3];

    CHECK(pthread_spin_init(&lock, PTHREAD_PROCESS_PRIVATE) == 0);
    for (uintptr_t i = 0; i < 3; i++)
        CHECK(pthread_create(&ids[i], NULL, work, (void *)i) == 0);
    for (int i = 0; i < 3; i++)
        CHECK(pthread_join(ids[i], NULL) == 0);
    CHECK(pthread_spin_trylock(&lock) == 0 && pthread_spin_trylock(&lock) == EBUSY);
    printf("order %016llx\n", (unsigned long long)order);
    return 0;
}
