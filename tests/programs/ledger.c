/* Accounts whose total must stay the same, and an owner's name that is too long: docs/how-to/replay-scripts.md. */
#include <stdio.h>
#include <stdlib.h>

struct account {
    char owner[8];
    long balance;
};
struct account accounts[4] = {{"ann", 100}, {"bob", 100}, {"cho", 100}, {"dee", 100}};

static void set_owner(struct account *account, const char *name) {
    char *to = account->owner;
    while ((*to++ = *name++) != 0)
        ;
}

static long transfer(int from, int to, long amount) {
    if (accounts[from].balance < amount)
        return -1;
    accounts[from].balance -= amount;
    accounts[to].balance += amount;
    return accounts[to].balance;
}

int main(void) {
    for (int day = 1; day <= 12; day++) {
        long left = transfer(day % 4, day % 3, 30 + day);
        dprintf(1, "day %d: %ld\n", day, left);
        if (day == 7)
            set_owner(&accounts[2], "charlotte");
    }
    long total = 0;
    for (int i = 0; i < 4; i++)
        total += accounts[i].balance;
    if (total != 400)
        abort();
    return 0;
}
