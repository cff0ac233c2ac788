/* Cases of the memory oracle: security. */
#include "calls.h"

CASE(capget) {
    struct __user_cap_header_struct *h = slot();
    h->version = _LINUX_CAPABILITY_VERSION_3;
    h->pid = 0;
    CALL(capget, h, slot());
}
CASE(capget_version) {
    struct __user_cap_header_struct *h = slot();
    h->version = 1;
    h->pid = 0;
    FAILS(capget, h, slot());
}
CASE(keyctl_read) {
    long k = CALL(add_key, "user", "oracle", "payload", 7, -2);
    CALL(keyctl, 11, k, slot(), 100, 0);
}
CASE(keyctl_describe) {
    long k = CALL(add_key, "user", "oracle", "payload", 7, -2);
    CALL(keyctl, 6, k, slot(), 100, 0);
}
CASE(seccomp_sizes) {
    CALL(seccomp, 3, 0, slot());
}
CASE(seccomp_action) {
    uint32_t *a = slot();
    *a = 0x7fff0000;
    CALL(seccomp, 2, 0, a);
}
CASE(lsm_list_modules) {
    uint32_t *s = slot();
    *s = 800;
    CALL(lsm_list_modules, slot(), s, 0);
}
CASE(lsm_get_self_attr) {
    uint32_t *s = slot();
    *s = 800;
    CALL(lsm_get_self_attr, 100, slot(), s, 0);
}
CASE(landlock_version) {
    CALL(landlock_create_ruleset, 0, 0, 1);
}
