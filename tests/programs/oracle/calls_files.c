/* Cases of the memory oracle: files. */
#include "calls.h"

CASE(read) {
    CALL(read, file_with_data(), slot(), 5000);
}
CASE(read_short) {
    int e[2];
    pair(e, SOCK_STREAM);
    write(e[0], "abc", 3);
    CALL(read, e[1], slot(), 4096);
}
CASE(pread64) {
    CALL(pread64, file_with_data(), slot(), 300, 77);
}
CASE(readv) {
    CALL(readv, file_with_data(), iovecs(3, 700), 3);
}
CASE(readv_short) {
    int e[2];
    pair(e, SOCK_STREAM);
    write(e[0], "0123456789", 10);
    CALL(readv, e[1], iovecs(3, 4), 3);
}
CASE(preadv) {
    CALL(preadv, file_with_data(), iovecs(2, 100), 2, 5, 0);
}
CASE(preadv2) {
    CALL(preadv2, file_with_data(), iovecs(2, 100), 2, 5, 0, 0);
}
CASE(write) {
    CALL(write, file_with_data(), slot(), 100);
}
CASE(sendfile) {
    int e[2];
    pair(e, SOCK_STREAM);
    off_t *o = slot();
    *o = 3;
    CALL(sendfile, e[0], file_with_data(), o, 100);
}
CASE(splice) {
    int p[2];
    if (pipe(p))
        exit(1);
    loff_t *o = slot();
    *o = 3;
    CALL(splice, file_with_data(), o, p[1], 0, 100, 0);
}
CASE(copy_file_range) {
    loff_t *a = slot(), *b = slot();
    *a = 3;
    *b = 20000;
    CALL(copy_file_range, file_with_data(), a, file_with_data(), b, 100, 0);
}
CASE(vmsplice) {
    int p[2];
    if (pipe(p))
        exit(1);
    write(p[1], "abcdef", 6);
    CALL(vmsplice, p[0], iovecs(1, 4), 1, 0);
}
CASE(getdents64) {
    CALL(getdents64, open("/etc", O_RDONLY), slot(), 4096);
}
#ifdef __x86_64__
CASE(getdents) {
    CALL(getdents, open("/etc", O_RDONLY), slot(), 4096);
}
CASE(stat) {
    CALL(stat, "/etc", slot());
}
CASE(lstat) {
    CALL(lstat, "/etc", slot());
}
CASE(pipe) {
    CALL(pipe, slot());
}
CASE(readlink) {
    CALL(readlink, "/proc/self/exe", slot(), 4096);
}
CASE(ustat) {
    CALL(ustat, 0x1, slot());
}
#endif
CASE(fstat) {
    CALL(fstat, 0, slot());
}
CASE(newfstatat) {
    CALL(newfstatat, AT_FDCWD, "/etc", slot(), 0);
}
CASE(statx) {
    CALL(statx, AT_FDCWD, "/etc", 0, 0xfff, slot());
}
CASE(statfs) {
    CALL(statfs, "/etc", slot());
}
CASE(fstatfs) {
    CALL(fstatfs, open("/etc", O_RDONLY), slot());
}
CASE(pipe2) {
    CALL(pipe2, slot(), O_CLOEXEC);
}
CASE(readlinkat) {
    CALL(readlinkat, AT_FDCWD, "/proc/self/exe", slot(), 4096);
}
CASE(getcwd) {
    CALL(getcwd, slot(), 4096);
}
CASE(getxattr) {
    char n[] = "/tmp/oracle-xattr-XXXXXX";
    int f = mkstemp(n);
    fsetxattr(f, "user.a", "value", 5, 0);
    CALL(getxattr, n, "user.a", slot(), 100);
    unlink(n);
}
CASE(fgetxattr) {
    int f = file_with_data();
    fsetxattr(f, "user.a", "value", 5, 0);
    CALL(fgetxattr, f, "user.a", slot(), 100);
}
CASE(flistxattr) {
    int f = file_with_data();
    fsetxattr(f, "user.a", "value", 5, 0);
    CALL(flistxattr, f, slot(), 100);
}
CASE(listxattr) {
    CALL(listxattr, "/etc", slot(), 100);
}
CASE(name_to_handle_at) {
    struct file_handle *h = slot();
    h->handle_bytes = 100;
    CALL(name_to_handle_at, AT_FDCWD, "/etc", h, slot(), 0);
}
CASE(name_to_handle_at_small) {
    struct file_handle *h = slot();
    h->handle_bytes = 0;
    FAILS(name_to_handle_at, AT_FDCWD, "/etc", h, slot(), 0);
}
CASE(fcntl_getlk) {
    struct flock *l = slot();
    *l = (struct flock){.l_type = F_WRLCK};
    CALL(fcntl, file_with_data(), F_GETLK, l);
}
CASE(fcntl_ofd_getlk) {
    struct flock *l = slot();
    *l = (struct flock){.l_type = F_WRLCK};
    CALL(fcntl, file_with_data(), F_OFD_GETLK, l);
}
CASE(fcntl_getown_ex) {
    CALL(fcntl, file_with_data(), F_GETOWN_EX, slot());
}
CASE(fcntl_rw_hint) {
    CALL(fcntl, file_with_data(), F_GET_RW_HINT, slot());
}
CASE(ioctl_fionread) {
    int e[2];
    pair(e, SOCK_STREAM);
    CALL(ioctl, e[0], FIONREAD, slot());
}
CASE(ioctl_tcgets) {
    CALL(ioctl, posix_openpt(O_RDWR), TCGETS, slot());
}
CASE(ioctl_tiocgwinsz) {
    CALL(ioctl, posix_openpt(O_RDWR), TIOCGWINSZ, slot());
}
CASE(ioctl_tiocgptn) {
    CALL(ioctl, posix_openpt(O_RDWR), TIOCGPTN, slot());
}
CASE(ioctl_fs_flags) {
    CALL(ioctl, open("/etc", O_RDONLY), FS_IOC_GETFLAGS, slot());
}
CASE(ioctl_figetbsz) {
    CALL(ioctl, open("/etc", O_RDONLY), FIGETBSZ, slot());
}
CASE(ioctl_ifconf) {
    long *c = slot();
    c[0] = 200;
    c[1] = (long)slot();
    CALL(ioctl, socket(AF_INET, SOCK_DGRAM, 0), 0x8912, c);
}
CASE(ioctl_ifflags) {
    char *r = slot();
    memset(r, 0, 40);
    strcpy(r, "lo");
    CALL(ioctl, socket(AF_INET, SOCK_DGRAM, 0), 0x8913, r);
}
CASE(file_getattr) {
    CALL(file_getattr, AT_FDCWD, "/etc", slot(), 24, 0);
}
CASE(statmount) {
    uint64_t *q = slot();
    struct statx x;
    if (statx(AT_FDCWD, "/", 0, 0x4000, &x))
        exit(77);
    q[0] = 32;
    q[1] = x.stx_mnt_id;
    q[2] = 0x3f;
    q[3] = 0;
    CALL(statmount, q, slot(), 4096, 0);
}
CASE(listmount) {
    uint64_t *q = slot();
    q[0] = 24;
    q[1] = 0xffffffffffffffffull;
    q[2] = 0;
    CALL(listmount, q, slot(), 20, 0);
}
CASE(cachestat) {
    uint64_t *r = slot();
    r[0] = r[1] = 0;
    CALL(cachestat, file_with_data(), r, slot(), 0);
}
CASE(pwrite64) {
    CALL(pwrite64, file_with_data(), slot(), 100, 7);
}
CASE(writev) {
    CALL(writev, file_with_data(), iovecs(3, 70), 3);
}
CASE(pwritev) {
    CALL(pwritev, file_with_data(), iovecs(3, 70), 3, 5, 0);
}
CASE(pwritev2) {
    CALL(pwritev2, file_with_data(), iovecs(3, 70), 3, 5, 0, 0);
}
CASE(read_fails) {
    FAILS(read, 999, slot(), 100);
}
CASE(read_end) {
    int f = file_with_data();
    lseek(f, 0, SEEK_END);
    CALL(read, f, slot(), 100);
}
CASE(read_fault) {
    FAILS(read, file_with_data(), (void *)8, 100);
}
CASE(openat2) {
    uint64_t *h = slot();
    h[0] = h[1] = h[2] = 0;
    CALL(openat2, AT_FDCWD, "/etc", h, 24);
}
CASE(fcntl_setlk) {
    struct flock *l = slot();
    *l = (struct flock){.l_type = F_WRLCK};
    CALL(fcntl, file_with_data(), F_SETLK, l);
}
CASE(tee) {
    int p[2], q[2];
    if (pipe(p) || pipe(q))
        exit(1);
    write(p[1], "abc", 3);
    CALL(tee, p[0], q[1], 3, 0);
}
CASE(memfd_create) {
    CALL(memfd_create, "name", 0);
}
