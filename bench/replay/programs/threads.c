/* usage: threads THREADS THOUSANDS - threads that compute, and share a counter and a queue under a mutex. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t filled = PTHREAD_COND_INITIALIZER, emptied = PTHREAD_COND_INITIALIZER;
static long rounds, counter, queue[16], queued, produced, consumed;

static unsigned long compute(unsigned long state) {
    for (int n = 0; n < 2000; n++)
        state = state * 6364136223846793005ul + 1442695040888963407ul;
    return state;
}

static void *work(void *argument) {
    unsigned long state = (unsigned long)argument;
    for (long n = 0; n < rounds; n++) {
        state = compute(state);
        pthread_mutex_lock(&lock);
        counter += state & 1 ? 1 : 2;
        if (n % 64 == 0) {
            while (queued == 16)
                pthread_cond_wait(&emptied, &lock);
            queue[queued++] = n;
            produced += n;
            pthread_cond_signal(&filled);
        }
        pthread_mutex_unlock(&lock);
        if (n % 512 == 0)
            usleep(100);
    }
    return NULL;
}

static void *drain(void *unused) {
    for (;;) {
        pthread_mutex_lock(&lock);
        while (queued == 0)
            pthread_cond_wait(&filled, &lock);
        long item = queue[--queued];
        pthread_cond_signal(&emptied);
        pthread_mutex_unlock(&lock);
        if (item < 0)
            return unused;
        consumed += item;
    }
}

int main(int argc, char **argv) {
    int count = argc > 1 ? atoi(argv[1]) : 4;
    rounds = (argc > 2 ? atol(argv[2]) : 10) * 1000;
    pthread_t workers[64], drainer;

    if (count > 64)
        count = 64;
    pthread_create(&drainer, NULL, drain, NULL);
    for (long n = 0; n < count; n++)
        pthread_create(&workers[n], NULL, work, (void *)n);
    for (int n = 0; n < count; n++)
        pthread_join(workers[n], NULL);
    pthread_mutex_lock(&lock);
    while (queued > 0)
        pthread_cond_wait(&emptied, &lock);
    queue[queued++] = -1;
    pthread_cond_signal(&filled);
    pthread_mutex_unlock(&lock);
    pthread_join(drainer, NULL);
    printf("%ld %ld\n", counter, produced - consumed);
    return produced != consumed;
}
