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

/* What must not happen: each argument is one that the kernel refuses. */
CASE(refused) {
    FAILS(reboot, 1, 2, 0, slot());
    FAILS(kexec_load, 0, 100, slot(), 0);
#ifdef SYS_kexec_file_load
    FAILS(kexec_file_load, 999, 999, 0, NULL, 0);
#endif
    FAILS(init_module, slot(), 100, "");
    FAILS(finit_module, 999, "", 0);
    FAILS(delete_module, "no_such_module", O_NONBLOCK);
    FAILS(acct, "/nowhere/at/all");
    FAILS(swapon, "/nowhere/at/all", 0);
    FAILS(swapoff, "/nowhere/at/all");
    FAILS(sethostname, (void *)8, 3);
    FAILS(setdomainname, slot(), -1);
    FAILS(bpf, 9999, slot(), 72);
    FAILS(quotactl, 0x80000200, "/nowhere/at/all", 0, slot());
}
/* Numbers that answer ENOSYS. */
CASE(removed) {
    FAILS(nfsservctl, 0, slot(), slot());
#ifdef __x86_64__
    FAILS(uselib, "/nowhere/at/all");
    FAILS(_sysctl, slot());
    FAILS(create_module, "name", 100);
    FAILS(get_kernel_syms, slot());
    FAILS(query_module, "name", 1, slot(), 100, slot());
    FAILS(getpmsg);
    FAILS(putpmsg);
    FAILS(afs_syscall);
    FAILS(tuxcall);
    FAILS(security);
    FAILS(vserver);
#endif
    FAILS(lookup_dcookie, 0ul, slot(), 100);
}
CASE(vhangup) {
    if (fork() == 0) {
        setsid(); /* no terminal to hang up */
        CALL(vhangup);
        _exit(0);
    }
    wait(NULL);
}
CASE(syslog_others) {
    TRY(syslog, 10, NULL, 0);
    TRY(syslog, 9, NULL, 0);
    TRY(syslog, 3, slot(), 30);
    FAILS(syslog, 3, slot(), -1);
    FAILS(syslog, 99, slot(), 10);
}
CASE(getrandom_flags) {
    CALL(getrandom, slot(), 0, 0);
    CALL(getrandom, slot(), 300, GRND_NONBLOCK);
    FAILS(getrandom, slot(), 300, 99);
}
CASE(times_of) {
    CALL(getrusage, RUSAGE_CHILDREN, slot());
    CALL(getrusage, 1, slot());
    FAILS(getrusage, 99, slot());
    CALL(times, NULL);
}
#ifdef __x86_64__
CASE(sysfs_others) {
    TRY(sysfs, 1, "tmpfs");
    TRY(sysfs, 3);
    FAILS(sysfs, 2, 9999, slot());
}
#endif

/* Asynchronous I/O: the kernel maps its ring, and writes the rest when it is asked. */
CASE(io_getevents) {
    unsigned long context = 0;
    CALL(io_setup, 4, &context);
    struct iocb block = {.aio_fildes = file_with_data(),
                         .aio_lio_opcode = IOCB_CMD_PWRITE,
                         .aio_nbytes = 10,
                         .aio_buf = (uint64_t)arena};
    struct iocb *blocks[] = {&block};
    CALL(io_submit, context, 1, blocks);
    CALL(io_getevents, context, 1, 4, slot(), SLOT_OF(struct timespec, {1, 0}));
    CALL(io_getevents, context, 0, 4, slot(), SLOT_OF(struct timespec, {0, 0}));
    CALL(io_pgetevents, context, 0, 4, slot(), SLOT_OF(struct timespec, {0, 0}), NULL);
    FAILS(io_cancel, context, &block, slot());
    interrupt_soon();
    FAILS(io_getevents, context, 1, 4, slot(), NULL);
    CALL(io_destroy, context);
    FAILS(io_getevents, context, 1, 4, slot(), NULL);
}

/* Maps and programs. */
static long map_of(int type, int value_size) {
    uint32_t *a = memset(slot(), 0, 72);
    a[0] = type;
    a[1] = 4;
    a[2] = value_size;
    a[3] = 4;
    return CALL(bpf, 0, a, 72);
}
CASE(bpf_per_cpu) {
    long m = map_of(6, 12); /* BPF_MAP_TYPE_PERCPU_ARRAY */
    uint64_t *e = memset(slot(), 0, 32);
    e[0] = m;
    e[1] = (uint64_t)SLOT_OF(uint32_t, {1});
    e[2] = (uint64_t)slot();
    CALL(bpf, 1, e, 32);
    *(uint32_t *)e[1] = 99;
    FAILS(bpf, 1, e, 32);
}
CASE(bpf_batch) {
    long m = map_of(2, 12);
    uint64_t *e = memset(slot(), 0, 56);
    e[1] = (uint64_t)slot();
    e[2] = (uint64_t)slot();
    e[3] = (uint64_t)slot();
    uint32_t *w = (uint32_t *)(e + 4);
    w[0] = 3;
    w[1] = m;
    TRY(bpf, 24, e, 56);
}
CASE(bpf_batch_all) {
    long m = map_of(2, 12);
    uint64_t *e = memset(slot(), 0, 56);
    e[1] = (uint64_t)slot();
    e[2] = (uint64_t)slot();
    e[3] = (uint64_t)slot();
    uint32_t *w = (uint32_t *)(e + 4);
    w[0] = 100;
    w[1] = m;
    TRY(bpf, 24, e, 56); /* ENOENT: there are no more, though it has written what there was */
}
CASE(bpf_ids) {
    long m = map_of(2, 12);
    TRY(bpf, 12, memset(slot(), 0, 12), 12); /* BPF_MAP_GET_NEXT_ID */
    TRY(bpf, 11, memset(slot(), 0, 12), 12);
    uint32_t *e = memset(slot(), 0, 16);
    e[0] = m;
    e[1] = 20;
    *(uint64_t *)(e + 2) = (uint64_t)slot();
    TRY(bpf, 15, e, 16);
}
CASE(bpf_prog_load) {
    uint64_t good[] = {0xb7, 0x95}, bad[] = {0x95};
    uint64_t *a = memset(slot(), 0, 128);
    uint32_t *w = (uint32_t *)a;
    w[0] = 1; /* BPF_PROG_TYPE_SOCKET_FILTER */
    w[1] = 2;
    a[1] = (uint64_t)good;
    a[2] = (uint64_t) "GPL";
    w[6] = 1;
    w[7] = 1000;
    a[4] = (uint64_t)slot();
    long p = CALL(bpf, 5, a, 72);
    w[1] = 1;
    a[1] = (uint64_t)bad;
    FAILS(bpf, 5, a, 72);
    FAILS(bpf, 5, a, 128);
    uint64_t *t = memset(slot(), 0, 80);
    uint32_t *v = (uint32_t *)t;
    v[0] = p;
    v[2] = 60;
    v[3] = 100;
    t[2] = (uint64_t)slot();
    t[3] = (uint64_t)slot();
    CALL(bpf, 10, t, 80); /* BPF_PROG_TEST_RUN */
    uint32_t *e = memset(slot(), 0, 16);
    e[0] = p;
    e[1] = 200;
    uint64_t *info = memset(slot(), 0, 300);
    *(uint64_t *)(e + 2) = (uint64_t)info;
    TRY(bpf, 15, e, 16);
    memset(info, 0, 300);
    ((uint32_t *)info)[4] = 100; /* jited_prog_len, xlated_prog_len: where their instructions go */
    ((uint32_t *)info)[5] = 100;
    info[3] = (uint64_t)slot();
    info[4] = (uint64_t)slot();
    TRY(bpf, 15, e, 16);
}
