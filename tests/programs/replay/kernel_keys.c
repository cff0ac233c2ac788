/* exit: 0 */
/* Keys that the kernel holds: added, described, read, changed and revoked. */
#include "check.h"

#include <linux/keyctl.h>
#include <sys/syscall.h>

int main(void) {
    char text[200];
    uint64_t secret = random_word(), got = 0;

    long ring = syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
    if (absent(ring, "keyctl"))
        return 0;
    CHECK(ring > 0);
    long key = syscall(SYS_add_key, "user", "retrograde", &secret, sizeof secret, KEY_SPEC_SESSION_KEYRING);
    CHECK(key > 0 && syscall(SYS_keyctl, KEYCTL_READ, key, &got, sizeof got) == 8 && got == secret);
    long length = syscall(SYS_keyctl, KEYCTL_DESCRIBE, key, text, sizeof text);
    CHECK(length > 0);
    printf("key %ld in %ld: %s, %016llx\n", key, ring, text, (unsigned long long)got);
    CHECK(syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, "user", "retrograde", 0) == key);
    CHECK(syscall(SYS_keyctl, KEYCTL_UPDATE, key, "new", 3l) == 0);
    CHECK(syscall(SYS_keyctl, KEYCTL_READ, key, text, 2l) == 3 &&
          syscall(SYS_keyctl, KEYCTL_SETPERM, key, 0x3f3f0000) == 0);
    long found = syscall(SYS_request_key, "user", "retrograde", NULL, 0);
    printf("requested %ld\n", found);
    CHECK(syscall(SYS_keyctl, KEYCTL_REVOKE, key) == 0 && syscall(SYS_keyctl, KEYCTL_READ, key, text, 10l) == -1 &&
          errno == EKEYREVOKED);
    return 0;
}
