/* What the tests of the Python API of replays look at: calls, writes, signals, callbacks, a call through null. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int counter;
char buffer[16];
long numbers[4] = {4, 2, 3, 1};
void (*nothing)(void);

int square(int x) {
    counter++;
    return x * x;
}

void from_handler(int number) {
    counter += number;
}

static void handler(int number) {
    from_handler(number);
}

static int compare(const void *a, const void *b) {
    counter++;
    return (int)(*(const long *)a - *(const long *)b);
}

static void go_deep(int n) {
    if (n > 0)
        go_deep(n - 1);
    else
        square(9);
    counter++;
}

static void fail(void) {
    nothing();
    counter = 0;
}

int main(int count, char **words) {
    int ends[2];
    for (int i = 0; i < 3; i++) {
        square(i);
        getppid();
    }
    signal(SIGUSR1, handler);
    raise(SIGUSR1);
    if (pipe(ends) || write(ends[1], "hello", 5) != 5 || read(ends[0], buffer, sizeof buffer) != 5)
        return 1;
    qsort(numbers, 4, sizeof *numbers, compare);
    go_deep(20);
    printf("%d %s %s\n", counter, buffer, words[0] ? words[count - 1] : "");
    fflush(stdout);
    fail();
    return 0;
}
