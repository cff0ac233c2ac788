/* Cases of the memory oracle: memory. */
#include "calls.h"

CASE(mincore) {
    void *m = mmap(0, 1 << 16, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CALL(mincore, m, 1 << 16, slot());
}
CASE(get_mempolicy) {
    CALL(get_mempolicy, slot(), slot(), 1024, 0, 0);
}
CASE(move_pages) {
    void **p = slot();
    p[0] = arena;
    p[1] = arena + 8192;
    CALL(move_pages, 0, 2, p, 0, slot(), 0);
}
CASE(process_vm_readv) {
    CALL(process_vm_readv, getpid(), iovecs(2, 50), 2, iovecs(1, 80), 1, 0);
}
CASE(process_vm_writev) {
    struct iovec *v = slot();
    *v = (struct iovec){"0123456789", 10};
    CALL(process_vm_writev, getpid(), v, 1, iovecs(2, 5), 2, 0);
}
CASE(mmap_fixed) {
    CALL(mmap, arena + 65536, 8192, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}
CASE(mremap) {
    void *m = mmap(0, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(m, poison, 65536);
    CALL(mremap, m, 65536, 1 << 20, MREMAP_MAYMOVE);
}
CASE(madvise_dontneed) {
    CALL(madvise, arena + 65536, 65536, MADV_DONTNEED);
}
CASE(brk) {
    sbrk(1 << 16);
    memset(sbrk(0) - 4096, poison, 4096);
    sbrk(-(1 << 15));
    sbrk(1 << 15);
}

/* Two pages that are the case's own. */
static void *pages(void) {
    void *m = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memset(m, poison, 8192);
}
CASE(munmap) {
    void *m = pages();
    CALL(mprotect, m, 4096, PROT_READ);
    CALL(munmap, m, 4096);
    FAILS(munmap, (char *)m + 1, 4096);
}
CASE(mlock) {
    void *m = pages();
    CALL(mlock, m, 4096);
    CALL(mlock2, m, 4096, MLOCK_ONFAULT);
    CALL(munlock, m, 4096);
    CALL(mlockall, MCL_CURRENT);
    CALL(munlockall);
}
CASE(msync) {
    void *m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file_with_data(), 0);
    CALL(msync, m, 4096, MS_SYNC);
    FAILS(msync, m, 4096, 255);
}
CASE(mseal) {
    CALL(mseal, pages(), 8192, 0);
}
CASE(mbind) {
    unsigned long *nodes = SLOT_OF(unsigned long, {1});
    CALL(mbind, pages(), 8192, 2, nodes, 64, 0);
    TRY(set_mempolicy_home_node, pages(), 8192, 0, 0);
    CALL(set_mempolicy, 0, NULL, 0);
    CALL(migrate_pages, 0, 64, nodes, nodes);
}
CASE(get_mempolicy_short) {
    TRY(get_mempolicy, slot(), slot(), 1, 0, 0);
    CALL(get_mempolicy, slot(), NULL, 0, pages(), 3); /* MPOL_F_NODE | MPOL_F_ADDR */
    CALL(get_mempolicy, NULL, slot(), 1024, 0, 4);    /* MPOL_F_MEMS_ALLOWED */
}
CASE(move_pages_bad) {
    void **p = slot();
    int *nodes = slot();
    p[0] = arena;
    p[1] = (void *)8;
    p[2] = arena + 8192;
    nodes[0] = nodes[1] = 0;
    nodes[2] = 1000;
    TRY(move_pages, 0, 2, p, nodes, slot(), 0);
    FAILS(move_pages, 0, 3, p, nodes, slot(), 0);
    CALL(move_pages, 0, 3, p, NULL, slot(), 0);
}
CASE(pkey_alloc) {
    int key = TRY(pkey_alloc, 0, 0);
    TRY(pkey_mprotect, pages(), 4096, PROT_READ, key < 0 ? -1 : key);
    TRY(pkey_free, key);
}
CASE(memfd_secret) {
    TRY(memfd_secret, 0);
}
CASE(map_shadow_stack) {
    TRY(map_shadow_stack, 0, 8192, 1);
}
CASE(remap_file_pages) {
    void *m = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, memfd_create("name", 0), 0);
    TRY(remap_file_pages, m, 4096, 0, 1, 0);
}
CASE(process_madvise) {
    int p = CALL(pidfd_open, getpid(), 0);
    CALL(process_madvise, p, SLOT_OF(struct iovec, {pages(), 8192}), 1, MADV_COLD, 0);
}
CASE(process_mrelease) {
    int p = CALL(pidfd_open, getpid(), 0);
    FAILS(process_mrelease, p, 0);
}
CASE(madvise) {
    CALL(madvise, pages(), 8192, MADV_FREE);
    FAILS(madvise, pages(), 8192, 12345);
}
CASE(mincore_fails) {
    FAILS(mincore, (void *)4096, 8192, slot());
    FAILS(mincore, pages(), 8192, (void *)8);
}
CASE(process_vm_readv_part) {
    struct iovec *remote = slot();
    remote[0] = (struct iovec){arena, 60};
    remote[1] = (struct iovec){(void *)8, 60};
    CALL(process_vm_readv, getpid(), iovecs(2, 50), 2, remote, 2, 0);
    FAILS(process_vm_readv, getpid(), iovecs(2, 50), 2, remote + 1, 1, 0);
}
CASE(process_vm_writev_child) {
    pid_t child = waiting_child();
    CALL(process_vm_writev, child, iovecs(2, 50), 2, iovecs(1, 80), 1, 0);
    CALL(process_vm_readv, child, iovecs(2, 50), 2, iovecs(1, 80), 1, 0);
    kill(child, SIGKILL);
}
/* What a failed copy has already written: the second part of the buffer is not there. */
static unsigned char *half_page(void) {
    unsigned char *m = pages();
    munmap(m + 4096, 4096);
    return m + 4096 - 5;
}
CASE(fault_read_file) {
    TRY(read, file_with_data(), half_page(), 100);
}
CASE(fault_read_pipe) {
    int p[2];
    need(pipe(p) == 0 && write(p[1], "0123456789", 10) == 10);
    FAILS(read, p[0], half_page(), 100);
}
CASE(fault_recvmsg) {
    int e[2];
    pair(e, SOCK_DGRAM);
    need(write(e[0], "0123456789", 10) == 10);
    struct iovec *v = iovecs(2, 4);
    v[1].iov_base = (void *)8;
    FAILS(readv, e[1], v, 2);
}
CASE(fault_stat) {
    FAILS(fstat, 0, half_page());
    FAILS(uname, half_page());
    FAILS(sysinfo, half_page());
    TRY(getrandom, half_page(), 100, 0);
    TRY(getdents64, open("/etc", O_RDONLY), half_page(), 3000);
    FAILS(getrusage, 0, half_page());
    TRY(getgroups, 100, half_page());
}
CASE(fault_second_argument) {
    FAILS(getresuid, slot(), slot(), (void *)8);
    FAILS(getcpu, slot(), (void *)8, 0);
    FAILS(get_robust_list, 0, slot(), (void *)8);
    FAILS(gettimeofday, slot(), (void *)8);
    FAILS(socketpair, AF_UNIX, SOCK_STREAM, 0, half_page());
    FAILS(get_mempolicy, slot(), (void *)8, 1024, 0, 0);
    FAILS(prlimit64, 0, RLIMIT_NOFILE, NULL, (void *)8);
}
CASE(fault_waits) {
    if (fork() == 0)
        _exit(3);
    usleep(20000);
    FAILS(wait4, -1, slot(), 0, (void *)8);
    if (fork() == 0)
        _exit(3);
    FAILS(waitid, P_ALL, 0, slot(), WEXITED, (void *)8);
}
CASE(fault_address) {
    struct sockaddr_in t;
    int l = listener(&t), c = socket(AF_INET, SOCK_STREAM, 0), e[2];
    FAILS(getsockname, l, slot(), (void *)8);
    FAILS(getsockname, l, (void *)8, length_slot(16));
    connect(c, (void *)&t, sizeof t);
    FAILS(accept, l, (void *)8, length_slot(100));
    pair(e, SOCK_DGRAM);
    write(e[0], "abc", 3);
    TRY(recvfrom, e[1], slot(), 100, 0, slot(), (void *)8);
    FAILS(getsockopt, c, SOL_SOCKET, SO_SNDBUF, (void *)8, length_slot(4));
    FAILS(getsockopt, c, IPPROTO_TCP, TCP_INFO, (void *)8, length_slot(100));
}
