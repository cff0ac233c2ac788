/* Cases of the memory oracle: system. */
#include "calls.h"

#ifdef __x86_64__
CASE(sysfs) {
    CALL(sysfs, 2, 0, slot());
}
#endif
CASE(getrandom) {
    CALL(getrandom, slot(), 123, 0);
}
CASE(uname) {
    CALL(uname, slot());
}
CASE(sysinfo) {
    CALL(sysinfo, slot());
}
CASE(syslog) {
    CALL(syslog, 3, slot(), 1000);
}
CASE(bpf_map) {
    uint32_t *a = slot();
    memset(a, 0, 72);
    a[0] = 2;
    a[1] = 4;
    a[2] = 16;
    a[3] = 4;
    long m = CALL(bpf, 0, a, 72);
    uint64_t *e = slot();
    memset(e, 0, 32);
    e[0] = m;
    uint32_t *k = slot();
    *k = 1;
    e[1] = (long)k;
    e[2] = (long)slot();
    CALL(bpf, 1, e, 32);
}
CASE(bpf_next_key) {
    uint32_t *a = slot();
    memset(a, 0, 72);
    a[0] = 2;
    a[1] = 4;
    a[2] = 16;
    a[3] = 4;
    long m = CALL(bpf, 0, a, 72);
    uint64_t *e = slot();
    memset(e, 0, 32);
    e[0] = m;
    uint32_t *k = slot();
    *k = 1;
    e[1] = (long)k;
    e[2] = (long)slot();
    CALL(bpf, 4, e, 32);
}
CASE(bpf_map_info) {
    uint32_t *a = slot();
    memset(a, 0, 72);
    a[0] = 2;
    a[1] = 4;
    a[2] = 16;
    a[3] = 4;
    long m = CALL(bpf, 0, a, 72);
    uint32_t *e = slot();
    e[0] = m;
    e[1] = 80;
    *(uint64_t *)(e + 2) = (long)slot();
    CALL(bpf, 15, e, 16);
}
CASE(quotactl) {
    FAILS(quotactl, 0x80000700, "/dev/null", 0, slot());
}
