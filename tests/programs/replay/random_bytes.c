/* exit: 0 */
/* getrandom with its flags, getentropy, /dev/urandom and the bytes of AT_RANDOM. */
#include "check.h"

#include <fcntl.h>
#include <sys/auxv.h>

static void show(const char *name, const unsigned char *bytes, size_t size) {
    printf("%s:", name);
    for (size_t i = 0; i < size; i++)
        printf(" %02x", bytes[i]);
    printf("\n");
}

int main(void) {
    unsigned char bytes[32], many[5000];

    CHECK(getrandom(bytes, sizeof bytes, 0) == sizeof bytes);
    show("getrandom", bytes, sizeof bytes);
    CHECK(getrandom(bytes, 16, GRND_NONBLOCK) == 16);
    show("not waiting", bytes, 16);
    CHECK(getentropy(bytes, 8) == 0);
    show("getentropy", bytes, 8);
    fill_random(many, sizeof many);
    printf("hash of many: %016llx\n", (unsigned long long)hash_of(many, sizeof many));
    int file = open("/dev/urandom", O_RDONLY);
    CHECK(file >= 0 && read(file, bytes, sizeof bytes) == sizeof bytes);
    show("/dev/urandom", bytes, sizeof bytes);
    show("AT_RANDOM", (const unsigned char *)getauxval(AT_RANDOM), 16);
    CHECK(getrandom(bytes, 8, 0x8000) == -1 && errno == EINVAL);
    return 0;
}
