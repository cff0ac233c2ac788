/* exit: 0 */
/* The threads of standard C: thrd_create, mtx_lock, cnd_wait, call_once, tss. */
#include "check.h"

#include <threads.h>

static mtx_t mutex;
static cnd_t condition;
static once_flag flag = ONCE_FLAG_INIT;
static int ready, calls;

static void once(void) {
    calls++;
}

static int work(void *unused) {
    (void)unused;
    call_once(&flag, once);
    mtx_lock(&mutex);
    ready++;
    cnd_broadcast(&condition);
    while (ready < 4)
        cnd_wait(&condition, &mutex);
    mtx_unlock(&mutex);
    return gettid();
}

int main(void) {
    thrd_t ids[4];
    int result;

    CHECK(mtx_init(&mutex, mtx_plain) == thrd_success && cnd_init(&condition) == thrd_success);
    for (int i = 0; i < 4; i++)
        CHECK(thrd_create(&ids[i], work, NULL) == thrd_success);
    for (int i = 0; i < 4; i++) {
        CHECK(thrd_join(ids[i], &result) == thrd_success && result != getpid());
        printf("%d\n", result);
    }
    CHECK(calls == 1 && thrd_sleep(&(struct timespec){0, 1000}, NULL) == 0);
    return 0;
}
