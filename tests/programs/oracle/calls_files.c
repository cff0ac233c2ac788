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
/* Before Linux 6.6, tmpfs has no user attributes. */
static const char *attribute_of(int f) {
    const char *name = fsetxattr(f, "user.a", "value", 5, 0) == 0 ? "user.a" : "trusted.a";
    need(name[0] == 'u' || fsetxattr(f, name, "value", 5, 0) == 0);
    return name;
}
CASE(getxattr) {
    char n[] = "/tmp/oracle-xattr-XXXXXX";
    int f = mkstemp(n);
    CALL(getxattr, n, attribute_of(f), slot(), 100);
    unlink(n);
}
CASE(fgetxattr) {
    int f = file_with_data();
    CALL(fgetxattr, f, attribute_of(f), slot(), 100);
}
CASE(flistxattr) {
    int f = file_with_data();
    attribute_of(f);
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

/* Names, owners, modes and times. */
CASE(openat) {
    CALL(openat, AT_FDCWD, "/etc", O_RDONLY);
    FAILS(openat, AT_FDCWD, "/nowhere/at/all", O_RDONLY);
}
CASE(faccessat) {
    CALL(faccessat, AT_FDCWD, "/etc", R_OK);
    CALL(faccessat2, AT_FDCWD, "/etc", R_OK, AT_EACCESS);
}
CASE(fchmod) {
    CALL(fchmod, file_with_data(), 0640);
    CALL(fchmodat, AT_FDCWD, named_file(), 0640);
}
CASE(fchmodat2) {
    CALL(fchmodat2, AT_FDCWD, named_file(), 0640, AT_SYMLINK_NOFOLLOW);
}
CASE(fchown) {
    CALL(fchown, file_with_data(), getuid(), getgid());
    CALL(fchownat, AT_FDCWD, named_file(), getuid(), getgid(), 0);
}
CASE(utimensat) {
    struct timespec *t = SLOT_OF(struct timespec, {1, 2});
    t[1] = (struct timespec){3, 4};
    CALL(utimensat, AT_FDCWD, named_file(), t, 0);
}
CASE(linkat) {
    char to[64];
    sprintf(to, "%s/other", folder());
    CALL(linkat, AT_FDCWD, named_file(), AT_FDCWD, to, 0);
    CALL(unlinkat, AT_FDCWD, to, 0);
}
CASE(symlinkat) {
    char to[64];
    sprintf(to, "%s/link", folder());
    CALL(symlinkat, "target of some length", AT_FDCWD, to);
    CALL(readlinkat, AT_FDCWD, to, slot(), 6);
    FAILS(readlinkat, AT_FDCWD, folder(), slot(), 100);
}
CASE(mkdirat) {
    char to[64];
    sprintf(to, "%s/inner", folder());
    CALL(mkdirat, AT_FDCWD, to, 0700);
    CALL(unlinkat, AT_FDCWD, to, AT_REMOVEDIR);
}
CASE(mknodat) {
    char to[64];
    sprintf(to, "%s/fifo", folder());
    CALL(mknodat, AT_FDCWD, to, S_IFIFO | 0600, 0);
}
CASE(renameat) {
    char to[64], then[64];
    sprintf(to, "%s/other", folder());
    sprintf(then, "%s/third", folder());
    CALL(renameat2, AT_FDCWD, named_file(), AT_FDCWD, to, RENAME_NOREPLACE);
#ifdef SYS_renameat
    CALL(renameat, AT_FDCWD, to, AT_FDCWD, then);
#endif
}
CASE(truncate) {
    CALL(truncate, named_file(), 100);
    CALL(ftruncate, file_with_data(), 100);
}
CASE(chdir) {
    CALL(chdir, folder());
    CALL(fchdir, open("/", O_RDONLY));
    CALL(umask, 022);
}
CASE(chroot) {
    CALL(chroot, folder());
}
CASE(getcwd_short) {
    FAILS(getcwd, slot(), 1);
}
CASE(getdents64_short) {
    FAILS(getdents64, open("/etc", O_RDONLY), slot(), 3);
    CALL(getdents64, open("/etc", O_RDONLY), slot(), 100);
}
CASE(open_by_handle_at) {
    struct file_handle *h = slot();
    int mount;
    h->handle_bytes = 100;
    CALL(name_to_handle_at, AT_FDCWD, named_file(), h, &mount, 0);
    CALL(open_by_handle_at, open(folder(), O_RDONLY), h, O_RDONLY);
}
CASE(name_to_handle_at_unique) {
    struct file_handle *h = slot();
    h->handle_bytes = 100;
    TRY(name_to_handle_at, AT_FDCWD, "/etc", h, slot(), 1);
}
#ifdef __x86_64__
CASE(open) {
    CALL(open, "/etc", O_RDONLY);
    CALL(access, "/etc", R_OK);
}
CASE(creat) {
    char to[64];
    sprintf(to, "%s/other", folder());
    CALL(creat, to, 0600);
}
CASE(chmod) {
    CALL(chmod, named_file(), 0640);
}
CASE(chown) {
    CALL(chown, named_file(), getuid(), getgid());
    CALL(lchown, named_file(), getuid(), getgid());
}
CASE(utime) {
    CALL(utime, named_file(), SLOT_OF(long, {5}));
}
CASE(utimes) {
    struct timeval *t = SLOT_OF(struct timeval, {1, 2});
    t[1] = (struct timeval){3, 4};
    CALL(utimes, named_file(), t);
    CALL(futimesat, AT_FDCWD, named_file(), t);
}
CASE(rename) {
    char to[64];
    sprintf(to, "%s/other", folder());
    CALL(rename, named_file(), to);
    CALL(unlink, to);
}
CASE(link) {
    char to[64], then[64];
    sprintf(to, "%s/other", folder());
    sprintf(then, "%s/third", folder());
    CALL(link, named_file(), to);
    CALL(symlink, to, then);
    CALL(readlink, then, slot(), 5);
}
CASE(mkdir) {
    char to[64];
    sprintf(to, "%s/inner", folder());
    CALL(mkdir, to, 0700);
    CALL(rmdir, to);
}
CASE(mknod) {
    char to[64];
    sprintf(to, "%s/fifo", folder());
    CALL(mknod, to, S_IFIFO | 0600, 0);
}
CASE(dup2) {
    CALL(dup2, 0, 10);
}
#endif

/* Data. */
CASE(dup) {
    CALL(dup, 0);
    CALL(dup3, 0, 10, O_CLOEXEC);
    CALL(close_range, 9, 20, 0);
    FAILS(close, 999);
}
CASE(lseek) {
    CALL(lseek, file_with_data(), 10, SEEK_SET);
}
CASE(flock) {
    CALL(flock, file_with_data(), LOCK_EX);
}
CASE(fallocate) {
    CALL(fallocate, file_with_data(), FALLOC_FL_KEEP_SIZE, 0, 20000);
}
CASE(fadvise64) {
    CALL(fadvise64, file_with_data(), 0, 100, POSIX_FADV_WILLNEED);
    CALL(readahead, file_with_data(), 0, 4096);
}
CASE(sync_file_range) {
    CALL(sync_file_range, file_with_data(), 0, 100, SYNC_FILE_RANGE_WRITE);
}
CASE(fsync) {
    CALL(fsync, open("/proc/self/exe", O_RDONLY));
    CALL(fdatasync, open("/proc/self/exe", O_RDONLY));
}
CASE(sync) {
    own_mounts();
    need(mount("tmpfs", folder(), "tmpfs", 0, NULL) == 0);
    CALL(syncfs, open(folder(), O_RDONLY));
    CALL(sync);
}
CASE(sendfile_fails) {
    off_t *o = SLOT_OF(off_t, {3});
    FAILS(sendfile, 999, file_with_data(), o, 100);
    FAILS(sendfile, 1, 999, o, 100);
    FAILS(sendfile, open("/dev/full", O_WRONLY), file_with_data(), o, 100);
}
CASE(splice_out) {
    int p[2];
    need(pipe(p) == 0 && write(p[1], "abcdef", 6) == 6);
    CALL(splice, p[0], 0, file_with_data(), SLOT_OF(loff_t, {3}), 4, 0);
    FAILS(splice, p[0], 0, 999, SLOT_OF(loff_t, {3}), 4, 0);
    FAILS(splice, file_with_data(), SLOT_OF(loff_t, {-5}), p[1], 0, 4, 0);
}
CASE(vmsplice_in) {
    int p[2];
    need(pipe(p) == 0);
    CALL(vmsplice, p[1], iovecs(2, 100), 2, 0);
}
CASE(copy_file_range_fails) {
    FAILS(copy_file_range, file_with_data(), SLOT_OF(loff_t, {3}), 1000, SLOT_OF(loff_t, {3}), 100, 0);
}
CASE(read_directory) {
    FAILS(read, open("/etc", O_RDONLY), slot(), 100);
}
CASE(readv_bad_vector) {
    FAILS(readv, file_with_data(), (void *)8, 3);
    FAILS(readv, file_with_data(), iovecs(2, 10), 5000);
}
CASE(preadv2_nowait) {
    TRY(preadv2, file_with_data(), iovecs(2, 100), 2, 5, 0, 8); /* RWF_NOWAIT */
    TRY(preadv2, file_with_data(), iovecs(2, 100), 2, -1, -1, 0);
}
CASE(cachestat_fails) {
    FAILS(cachestat, 999, SLOT_OF(uint64_t[2], {0, 0}), slot(), 0);
}

/* What fcntl and ioctl say of files. */
CASE(fcntl_flags) {
    int f = file_with_data(), p[2], m = memfd_create("name", MFD_ALLOW_SEALING);
    need(pipe(p) == 0);
    CALL(fcntl, f, F_DUPFD, 20);
    CALL(fcntl, f, F_DUPFD_CLOEXEC, 20);
    CALL(fcntl, f, F_GETFD, slot());
    CALL(fcntl, f, F_SETFD, FD_CLOEXEC);
    CALL(fcntl, f, F_GETFL, slot());
    CALL(fcntl, f, F_SETFL, O_NONBLOCK);
    CALL(fcntl, f, F_GETOWN, slot());
    CALL(fcntl, f, F_SETOWN, getpid());
    CALL(fcntl, f, F_GETSIG, slot());
    CALL(fcntl, f, F_SETSIG, SIGIO);
    TRY(fcntl, f, F_GETLEASE, slot());
    CALL(fcntl, p[0], F_GETPIPE_SZ, slot());
    CALL(fcntl, p[0], F_SETPIPE_SZ, 8192);
    CALL(fcntl, m, F_ADD_SEALS, F_SEAL_GROW);
    CALL(fcntl, m, F_GET_SEALS, slot());
    TRY(fcntl, f, 1027, f); /* F_DUPFD_QUERY */
    TRY(fcntl, f, 1028, slot());
    FAILS(fcntl, f, 12345, slot());
}
CASE(fcntl_owners) {
    int f = file_with_data();
    CALL(fcntl, f, F_SETOWN_EX, SLOT_OF(int[2], {F_OWNER_PID, getpid()}));
    CALL(fcntl, f, F_GETOWN_EX, slot());
    CALL(fcntl, f, 17, slot()); /* F_GETOWNER_UIDS */
    TRY(fcntl, f, F_SET_RW_HINT, SLOT_OF(uint64_t, {2}));
    TRY(fcntl, f, F_GET_FILE_RW_HINT, slot());
}
CASE(fcntl_getlk_held) {
    const char *name = named_file();
    int f = open(name, O_RDWR);
    struct flock l = {.l_type = F_WRLCK};
    need(fcntl(f, F_SETLK, &l) == 0);
    if (fork() == 0) {
        CALL(fcntl, open(name, O_RDWR), F_GETLK, slot_with(&l, sizeof l));
        FAILS(fcntl, open(name, O_RDWR), F_SETLK, slot_with(&l, sizeof l));
        _exit(0);
    }
    wait(NULL);
}
CASE(ioctl_fibmap) {
    TRY(ioctl, file_with_data(), 1, SLOT_OF(int, {0})); /* FIBMAP */
    TRY(ioctl, file_with_data(), FIOQSIZE, slot());
    CALL(ioctl, file_with_data(), FIONREAD, slot());
    CALL(ioctl, file_with_data(), FIOCLEX);
    CALL(ioctl, file_with_data(), FIONBIO, SLOT_OF(int, {1}));
}
CASE(ioctl_fiemap) {
    uint32_t *m = slot();
    memset(m, 0, 32);
    m[2] = m[3] = -1;
    m[4] = 1; /* FIEMAP_FLAG_SYNC */
    m[6] = 4;
    TRY(ioctl, file_with_data(), FS_IOC_FIEMAP, m);
}
CASE(ioctl_fiemap_flags) {
    uint32_t *m = slot();
    memset(m, 0, 32);
    m[2] = m[3] = -1;
    m[4] = 1 << 30;
    FAILS(ioctl, file_with_data(), FS_IOC_FIEMAP, m);
}
CASE(ioctl_fsmap) {
    unsigned char *m = slot();
    memset(m, 0, 192);
    *(uint32_t *)(m + 8) = 3;                          /* fmh_count */
    memset(m + 128, 0xff, 64 - 24);                    /* the high key */
    TRY(ioctl, open("/tmp", O_RDONLY), 0xc0c0583b, m); /* FS_IOC_GETFSMAP */
}
CASE(ioctl_fs) {
    int d = open("/tmp", O_RDONLY);
    TRY(ioctl, d, FS_IOC_GETVERSION, slot());
    TRY(ioctl, d, FS_IOC_FSGETXATTR, slot());
    TRY(ioctl, d, FS_IOC_GETFSLABEL, slot());
    TRY(ioctl, d, 0x80111500, slot()); /* FS_IOC_GETFSUUID */
    TRY(ioctl, d, 0x80811501, slot()); /* FS_IOC_GETFSSYSFSPATH */
    TRY(ioctl, d, 0x40086602, SLOT_OF(int, {0}));
    TRY(ioctl, d, FITRIM, SLOT_OF(uint64_t[3], {0, 0, ~0ull}));
}
CASE(ioctl_dedupe) {
    int a = file_with_data(), b = file_with_data();
    uint64_t *d = slot();
    memset(d, 0, 24 + 32);
    d[1] = 4096;
    *(uint16_t *)(d + 2) = 1;
    d[3] = b;
    TRY(ioctl, a, FIDEDUPERANGE, d);
    TRY(ioctl, a, FICLONE, b);
    TRY(ioctl, a, FICLONERANGE, SLOT_OF(uint64_t[4], {b, 0, 0, 0}));
}
/* A loop device that nothing is bound to. */
CASE(ioctl_block) {
    int d = open("/dev/loop7", O_RDONLY);
    static const unsigned long gets[] = {BLKROGET,
                                         BLKSSZGET,
                                         BLKALIGNOFF,
                                         BLKBSZGET,
                                         BLKIOMIN,
                                         BLKIOOPT,
                                         BLKPBSZGET,
                                         BLKDISCARDZEROES,
                                         BLKSECTGET,
                                         BLKROTATIONAL,
                                         BLKGETSIZE,
                                         BLKRAGET,
                                         BLKFRAGET,
                                         BLKGETSIZE64,
                                         0x301 /* HDIO_GETGEO */,
                                         0x4c03,
                                         0x4c05 /* LOOP_GET_STATUS64 */,
                                         BLKGETDISKSEQ,
                                         0x80041284,
                                         0x80041285};
    for (size_t i = 0; i < sizeof gets / sizeof *gets; i++)
        TRY(ioctl, d, gets[i], slot());
}
CASE(ioctl_loop) {
    int control = open("/dev/loop-control", O_RDWR);
    if (control < 0)
        exit(lacking);
    int number = TRY(ioctl, control, 0x4c82); /* LOOP_CTL_GET_FREE */
    char name[32];
    sprintf(name, "/dev/loop%d", number);
    int d = open(name, O_RDONLY);
    if (d < 0)
        exit(lacking);
    if (TRY(ioctl, d, 0x4c00, file_with_data()))
        exit(lacking);
    TRY(ioctl, d, 0x4c03, slot());
    TRY(ioctl, d, 0x4c05, slot());
    TRY(ioctl, d, BLKGETSIZE64, slot());
    CALL(ioctl, d, 0x4c01); /* LOOP_CLR_FD */
}
CASE(ioctl_terminal) {
    int m = posix_openpt(O_RDWR | O_NOCTTY);
    need(grantpt(m) == 0 && unlockpt(m) == 0);
    int s = CALL(ioctl, m, TIOCGPTPEER, O_RDWR | O_NOCTTY);
    need(write(m, "a line\n", 7) == 7 && write(s, "abc", 3) == 3);
    static const unsigned long gets[] = {TCGETS,
                                         TCGETA,
                                         TIOCGWINSZ,
                                         TIOCOUTQ,
                                         FIONREAD,
                                         TIOCGETD,
                                         TIOCMGET,
                                         TIOCGSOFTCAR,
                                         TIOCGLCKTRMIOS,
                                         TIOCGPGRP,
                                         TIOCGSID,
                                         TIOCGPTN,
                                         TIOCGPTLCK,
                                         TIOCGPKT,
                                         TIOCGEXCL,
                                         TIOCGDEV,
                                         TIOCGSERIAL,
                                         TIOCGICOUNT,
                                         0x802c542a /* TCGETS2 */,
                                         0x542e /* TIOCGRS485 */,
                                         TIOCINQ};
    for (size_t i = 0; i < sizeof gets / sizeof *gets; i++) {
        TRY(ioctl, m, gets[i], slot());
        TRY(ioctl, s, gets[i], slot());
    }
    void *t = slot();
    need(ioctl(s, TCGETS, t) == 0);
    CALL(ioctl, s, TCSETS, t);
    CALL(ioctl, s, TIOCSWINSZ, SLOT_OF(struct winsize, {24, 80}));
    CALL(ioctl, m, TIOCPKT, SLOT_OF(int, {1}));
    CALL(ioctl, s, TCFLSH, TCIOFLUSH);
    CALL(read, m, slot(), 100);
}
CASE(ioctl_namespace) {
    int n = open("/proc/self/ns/user", O_RDONLY), m = open("/proc/self/ns/mnt", O_RDONLY);
    int p = open("/proc/self/ns/pid", O_RDONLY);
    TRY(ioctl, n, 0xb701);
    TRY(ioctl, n, 0xb702);
    TRY(ioctl, n, 0xb703, slot());
    TRY(ioctl, n, 0xb704, slot());
    TRY(ioctl, m, 0x8008b705, slot());
    TRY(ioctl, p, 0x8004b706, getpid());
    TRY(ioctl, p, 0x8004b707, getpid());
    TRY(ioctl, p, 0x8004b708, getpid());
    TRY(ioctl, p, 0x8004b709, getpid());
    TRY(ioctl, m, 0x8010b70a, slot());
    TRY(ioctl, m, 0x8010b70b, slot());
    TRY(ioctl, m, 0x8010b70c, slot());
    TRY(ioctl, n, 0x8008b70d, slot());
}
CASE(ioctl_random) {
    int r = open("/dev/urandom", O_RDONLY);
    CALL(ioctl, r, 0x80045200, slot()); /* RNDGETENTCNT */
    CALL(read, r, slot(), 40);
}
CASE(ioctl_pagemap) {
    int f = open("/proc/self/pagemap", O_RDONLY);
    uint64_t *a = slot();
    memset(a, 0, 96);
    a[0] = 96;
    a[2] = (uint64_t)arena;
    a[3] = (uint64_t)arena + arena_size;
    a[5] = (uint64_t)slot(); /* vec */
    a[6] = 10;
    a[9] = 0;
    a[11] = 0xff;                 /* return_mask */
    TRY(ioctl, f, 0xc0606610, a); /* PAGEMAP_SCAN */
}
CASE(ioctl_procmap) {
    int f = open("/proc/self/maps", O_RDONLY);
    uint64_t *q = slot();
    memset(q, 0, 104);
    q[0] = 104;
    q[1] = 0x10;
    q[2] = (uint64_t)case_ioctl_procmap;
    uint32_t *sizes = (uint32_t *)(q + 10);
    sizes[0] = 200;
    sizes[1] = 50;
    q[11] = (uint64_t)slot();
    q[12] = (uint64_t)slot();
    TRY(ioctl, f, 0xc0686611, q); /* PROCMAP_QUERY */
}

/* Extended attributes. */
CASE(setxattr) {
    const char *n = named_file();
    int f = open(n, O_RDWR);
    TRY(setxattr, n, "user.a", slot(), 5, 0);
    TRY(lsetxattr, n, "user.b", slot(), 5, 0);
    TRY(fsetxattr, f, "user.c", slot(), 5, 0);
    TRY(lgetxattr, n, "user.a", slot(), 100);
    TRY(getxattr, n, "user.a", slot(), 2);
    TRY(getxattr, n, "user.a", slot(), 0);
    TRY(llistxattr, n, slot(), 100);
    TRY(listxattr, n, slot(), 3);
    TRY(removexattr, n, "user.a");
    TRY(lremovexattr, n, "user.b");
    TRY(fremovexattr, f, "user.c");
    FAILS(getxattr, n, "user.a", slot(), 100);
}
CASE(setxattrat) {
    const char *n = named_file();
    uint64_t *a = SLOT_OF(uint64_t[2], {(uint64_t)slot(), 5}), *b = SLOT_OF(uint64_t[2], {(uint64_t)slot(), 100});
    CALL(setxattrat, AT_FDCWD, n, 0, "user.a", a, 16);
    CALL(getxattrat, AT_FDCWD, n, 0, "user.a", b, 16);
    CALL(listxattrat, AT_FDCWD, n, 0, slot(), 100);
    CALL(removexattrat, AT_FDCWD, n, 0, "user.a");
    FAILS(getxattrat, AT_FDCWD, n, 0, "user.a", b, 16);
}
CASE(file_setattr) {
    void *a = slot();
    TRY(file_getattr, AT_FDCWD, named_file(), a, 24, 0);
    TRY(file_setattr, AT_FDCWD, named_file(), a, 24, 0);
    FAILS(file_getattr, AT_FDCWD, "/etc", slot(), 3, 0);
    TRY(file_getattr, AT_FDCWD, "/etc", memset(slot(), 0, 100), 100, 0);
}
CASE(statx_fails) {
    FAILS(statx, AT_FDCWD, "/nowhere", 0, 0xfff, slot());
    FAILS(statfs, "/nowhere", slot());
    FAILS(newfstatat, AT_FDCWD, "/nowhere", slot(), 0);
}
