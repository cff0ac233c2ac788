// A bug whose crash is far from its cause: the example of docs/explanation/reverse-debugging.md.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct account {
    char owner[16];
    struct account *next;
    long cents;
};

static struct account *open_account(struct account *next, const char *owner) {
    struct account *account = malloc(sizeof *account);
    account->next = next;
    account->cents = 10000;
    strcpy(account->owner, owner);
    return account;
}

static void add_interest(struct account **accounts, int count) {
    for (int day = 0; day < 120; day++)
        for (int n = 0; n < count; n++)
            accounts[n]->cents += accounts[n]->cents / 3650;
}

static long total(struct account **link) {
    long cents = 0;
    for (; *link != NULL; link = &(*link)->next)
        cents += (*link)->cents;
    return cents;
}

int main(void) {
    struct account *accounts[100], *first = NULL;
    for (int n = 0; n < 100; n++) {
        char owner[32];
        snprintf(owner, sizeof owner, n == 40 ? "Maximilian Mustermann" : "Customer %d", n);
        accounts[n] = first = open_account(first, owner);
    }
    add_interest(accounts, 100);
    printf("%ld cents\n", total(&first));
    return 0;
}
