/* exit: 0 */
/* A longer computation in floating point: every bit of its sum must come out again. */
#include "check.h"

int main(void) {
    double x = 1.0 + (double)(random_word() >> 40) / (1 << 24), sum = 0;
    float y = (float)x;
    long double z = x;

    for (int i = 1; i < 1000000; i++) {
        x = x * 3.9 * (1 - x / 4);
        sum += x / i;
        y = y * 0.999f + (float)x;
        z = z / 1.0001L + x;
    }
    printf("%a %a %a %La\n", x, sum, (double)y, z);
    return 0;
}
