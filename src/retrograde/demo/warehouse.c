/* A warehouse: packers write labels on orders, and an accountant adds up what is owed. It crashes. `retrograde demo` */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct customer {
    const char *name, *town;
    int discount;
};
struct order {
    struct customer *customer;
    int price;
    char *label;
};

enum { ORDERS = 60, PACKERS = 3 };
static struct customer customers[] = {{"Ada", "London", 10},
                                      {"Grace", "New York", 5},
                                      {"Blodwen", "Llanfairpwllgwyngyllgogerych", 15},
                                      {"Edsger", "Nuenen", 0}};
static struct order *orders[ORDERS];
static int next_order;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t all_packed;

static char *append(char *to, const char *text) {
    while (*text)
        *to++ = *text++;
    *to = 0;
    return to;
}

static void write_label(struct order *order) {
    char *end = append(order->label, order->customer->name);
    end = append(end, ", ");
    append(end, order->customer->town);
}

static void *pack(void *unused) {
    for (;;) {
        pthread_mutex_lock(&lock);
        int mine = next_order < ORDERS ? next_order++ : -1;
        pthread_mutex_unlock(&lock);
        if (mine < 0)
            break;
        write_label(orders[mine]);
        usleep(500);
    }
    pthread_barrier_wait(&all_packed);
    return unused;
}

static void *account(void *sum) {
    pthread_barrier_wait(&all_packed);
    for (int i = 0; i < ORDERS; i++) {
        struct order *order = orders[i];
        *(int *)sum += order->price * (100 - order->customer->discount) / 100;
    }
    return sum;
}

int main(void) {
    for (int i = 0; i < ORDERS; i++) {
        char *label = malloc(24);
        orders[i] = malloc(sizeof **orders);
        *orders[i] = (struct order){&customers[i == 41 ? 2 : i % 2], 100 + i, label};
    }
    pthread_t packers[PACKERS], accountant;
    int sum = 0;
    pthread_barrier_init(&all_packed, NULL, PACKERS + 1);
    pthread_create(&accountant, NULL, account, &sum);
    for (int i = 0; i < PACKERS; i++)
        pthread_create(&packers[i], NULL, pack, NULL);
    pthread_join(accountant, NULL);
    printf("owed in all: %d\n", sum);
    return 0;
}
