/* exit: 0 */
/* pthread_once, thread-specific keys with destructors, and __thread variables. */
#include "check.h"

#include <pthread.h>

enum { threads = 6 };

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static int initialised, destroyed;
static __thread uint64_t own = 5;
static __thread char large[10000];

static void destroy(void *value) {
    __atomic_fetch_add(&destroyed, 1, __ATOMIC_RELAXED);
    free(value);
}

static void initialise(void) {
    CHECK(pthread_key_create(&key, destroy) == 0);
    initialised++;
    printf("initialised by %d\n", gettid());
}

static void *work(void *unused) {
    CHECK(pthread_once(&once, initialise) == 0 && !pthread_getspecific(key) && own == 5);
    uint64_t *word = malloc(sizeof *word);
    *word = own = random_word();
    CHECK(pthread_setspecific(key, word) == 0);
    fill_random(large, sizeof large);
    sched_yield();
    CHECK(*(uint64_t *)pthread_getspecific(key) == own);
    printf("%d: %016llx at %p, %016llx\n", gettid(), (unsigned long long)own, (void *)&own,
           (unsigned long long)hash_of(large, sizeof large));
    return unused;
}

int main(void) {
    pthread_t ids[threads];

    for (int i = 0; i < threads; i++)
        CHECK(pthread_create(&ids[i], NULL, work, NULL) == 0);
    for (int i = 0; i < threads; i++)
        CHECK(pthread_join(ids[i], NULL) == 0);
    CHECK(initialised == 1 && destroyed == threads && pthread_key_delete(key) == 0);
    return 0;
}
