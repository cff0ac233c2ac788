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
