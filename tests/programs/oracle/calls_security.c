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

CASE(capset) {
    uint32_t *h = SLOT_OF(uint32_t[2], {_LINUX_CAPABILITY_VERSION_3, 0}), *d = slot();
    CALL(capget, h, d);
    CALL(capset, h, d);
    FAILS(capset, SLOT_OF(uint32_t[2], {1, 0}), d);
    CALL(capget, SLOT_OF(uint32_t[2], {1, 0}), NULL);
    CALL(capget, SLOT_OF(uint32_t[2], {_LINUX_CAPABILITY_VERSION_1, 0}), slot());
    FAILS(capget, SLOT_OF(uint32_t[2], {_LINUX_CAPABILITY_VERSION_3, 9999999}), slot());
}
CASE(landlock) {
    int r = CALL(landlock_create_ruleset, SLOT_OF(uint64_t, {1}), 8, 0);
    CALL(landlock_add_rule, r, 1, SLOT_OF(struct landlock_path_beneath_attr, {1, open("/", O_PATH)}), 0);
    TRY(landlock_create_ruleset, NULL, 0, 2);
    CALL(prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    CALL(landlock_restrict_self, r, 0);
}
CASE(lsm_attrs) {
    TRY(lsm_list_modules, slot(), SLOT_OF(uint32_t, {4}), 0);
    TRY(lsm_list_modules, slot(), SLOT_OF(uint32_t, {0}), 0);
    for (int attribute = 100; attribute < 107; attribute++) {
        TRY(lsm_get_self_attr, attribute, slot(), SLOT_OF(uint32_t, {800}), 0);
        TRY(lsm_get_self_attr, attribute, slot(), SLOT_OF(uint32_t, {4}), 0);
        TRY(lsm_get_self_attr, attribute, NULL, SLOT_OF(uint32_t, {4}), 0);
    }
    FAILS(lsm_set_self_attr, 100, slot(), 32, 0);
}
CASE(seccomp_filter) {
    struct {
        uint16_t code;
        uint8_t jt, jf;
        uint32_t k;
    } allow = {6, 0, 0, 0x7fff0000};
    struct {
        uint16_t length;
        void *filter;
    } program = {1, &allow};
    FAILS(seccomp, 2, 0, SLOT_OF(uint32_t, {0x12345678}));
    FAILS(seccomp, 99, 0, slot());
    CALL(prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    int n = CALL(seccomp, 1, 8, slot_with(&program, sizeof program)); /* with a listener */
    FAILS(ioctl, n, 0xc0502101, slot());                              /* SECCOMP_IOCTL_NOTIF_RECV */
    FAILS(ioctl, n, 0xc0182101, slot());
    CALL(prctl, PR_GET_SECCOMP, slot());
}
/* A filter that asks another process, which answers. */
CASE(seccomp_notify) {
    struct {
        uint16_t code;
        uint8_t jt, jf;
        uint32_t k;
    } rules[] = {{0x20, 0, 0, 0}, {0x15, 0, 1, SYS_getppid}, {6, 0, 0, 0x7fc00000}, {6, 0, 0, 0x7fff0000}};
    struct {
        uint16_t length;
        void *filter;
    } program = {4, rules};
    CALL(prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    int n = CALL(seccomp, 1, 8, slot_with(&program, sizeof program));
    if (fork() == 0) {
        uint64_t *question = memset(slot(), 0, 80);
        CALL(ioctl, n, 0xc0502100, question);
        CALL(ioctl, n, 0xc0182101, SLOT_OF(uint64_t[3], {question[0], 77, 0}));
        _exit(0);
    }
    CALL(getppid);
    wait(NULL);
}

/* Keys. */
CASE(keyctl_all) {
    long k = CALL(add_key, "user", "oracle", "payload", 7, -2);
    TRY(request_key, "user", "oracle", NULL, -2);
    CALL(keyctl, KEYCTL_GET_KEYRING_ID, -2, 1, 0, 0);
    CALL(keyctl, KEYCTL_READ, k, slot(), 3, 0);
    CALL(keyctl, KEYCTL_READ, k, NULL, 0, 0);
    CALL(keyctl, KEYCTL_READ, -2, slot(), 100, 0);
    TRY(keyctl, KEYCTL_READ, -2, slot(), 6, 0);
    CALL(keyctl, KEYCTL_DESCRIBE, k, slot(), 3, 0);
    TRY(keyctl, KEYCTL_GET_SECURITY, k, slot(), 100, 0);
    TRY(keyctl, KEYCTL_GET_SECURITY, k, slot(), 1, 0);
    TRY(keyctl, KEYCTL_CAPABILITIES, slot(), 100, 0, 0);
    TRY(keyctl, KEYCTL_CAPABILITIES, slot(), 1, 0, 0);
    TRY(keyctl, KEYCTL_SEARCH, -2, "user", "oracle", 0);
    TRY(keyctl, KEYCTL_GET_PERSISTENT, -1, -2, 0, 0);
    TRY(keyctl, KEYCTL_PKEY_QUERY, k, 0, "", slot());
    TRY(keyctl, KEYCTL_DH_COMPUTE, slot(), slot(), 100, 0);
    TRY(keyctl, KEYCTL_UPDATE, k, "other", 5, 0);
    TRY(keyctl, KEYCTL_SETPERM, k, 0x3f3f0000, 0, 0);
    TRY(keyctl, KEYCTL_SET_TIMEOUT, k, 100, 0, 0);
    CALL(keyctl, KEYCTL_UNLINK, k, -2, 0, 0);
    TRY(keyctl, KEYCTL_REVOKE, k, 0, 0, 0);
    FAILS(keyctl, KEYCTL_READ, k, slot(), 100, 0);
    FAILS(keyctl, 99, slot(), slot(), slot(), slot());
}
