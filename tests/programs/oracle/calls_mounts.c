/* Cases of the memory oracle: mounts, in a namespace of their own. */
#include "calls.h"

/* A tmpfs of this process alone, over the folder. */
static const char *own_tmpfs(void) {
    own_mounts();
    need(mount("tmpfs", folder(), "tmpfs", 0, NULL) == 0);
    return folder();
}

CASE(mount) {
    own_mounts();
    CALL(mount, "tmpfs", folder(), "tmpfs", 0, "size=1m");
    CALL(umount2, folder(), MNT_DETACH);
    FAILS(mount, "tmpfs", "/nowhere", "tmpfs", 0, slot());
    FAILS(umount2, "/nowhere", 0);
}
/* In a root of its own, since that of an initramfs cannot be put elsewhere. */
CASE(pivot_root) {
    need(chroot(own_tmpfs()) == 0 && chdir("/") == 0 && mkdir("new", 0700) == 0);
    need(mount("tmpfs", "new", "tmpfs", 0, NULL) == 0 && mkdir("new/old", 0700) == 0);
    CALL(pivot_root, "new", "new/old");
}
CASE(fsopen) {
    own_mounts();
    int f = CALL(fsopen, "tmpfs", FSOPEN_CLOEXEC);
    CALL(fsconfig, f, FSCONFIG_SET_STRING, "size", "1m", 0);
    FAILS(fsconfig, f, FSCONFIG_SET_STRING, "nonsense", "1m", 0);
    CALL(read, f, slot(), 1000); /* what it has to say of that */
    FAILS(fsconfig, f, FSCONFIG_SET_FLAG, "nonsense", 0, 0);
    FAILS(fsconfig, f, FSCONFIG_SET_BINARY, "nonsense", slot(), 10);
    FAILS(fsconfig, f, FSCONFIG_SET_FD, "nonsense", 0, 0);
    CALL(fsconfig, f, FSCONFIG_CMD_CREATE, 0, 0, 0);
    int m = CALL(fsmount, f, FSMOUNT_CLOEXEC, 0);
    CALL(move_mount, m, "", AT_FDCWD, folder(), MOVE_MOUNT_F_EMPTY_PATH);
    int p = CALL(fspick, AT_FDCWD, folder(), 0);
    CALL(fsconfig, p, FSCONFIG_CMD_RECONFIGURE, 0, 0, 0);
}
CASE(open_tree) {
    int t = CALL(open_tree, AT_FDCWD, own_tmpfs(), OPEN_TREE_CLONE);
    CALL(mount_setattr, t, "", AT_EMPTY_PATH, SLOT_OF(uint64_t[4], {MOUNT_ATTR_NOEXEC}), 32);
}
CASE(open_tree_attr) {
    own_tmpfs();
    TRY(open_tree_attr, AT_FDCWD, folder(), OPEN_TREE_CLONE, SLOT_OF(uint64_t[4], {MOUNT_ATTR_NOEXEC}), 32);
}
CASE(setns) {
    int n = open("/proc/self/ns/mnt", O_RDONLY);
    CALL(unshare, CLONE_NEWNS);
    CALL(setns, n, CLONE_NEWNS);
}
CASE(statmount_all) {
    struct statx x;
    need(statx(AT_FDCWD, "/", 0, 0x4000, &x) == 0);
    uint64_t id = ((uint64_t *)&x)[18]; /* stx_mnt_id */
    TRY(statmount, SLOT_OF(uint64_t[4], {32, id, 0xffff, 0}), slot(), 8000, 0);
    TRY(statmount, SLOT_OF(uint64_t[4], {32, id, 0xffff, 0}), slot(), 400, 0);
    TRY(statmount, SLOT_OF(uint64_t[4], {32, id, 0x3f, 0}), slot(), 30, 0);
    TRY(statmount, SLOT_OF(uint64_t[4], {32, 12345, 0x3f, 0}), slot(), 1000, 0);
}
CASE(listmount_short) {
    TRY(listmount, SLOT_OF(uint64_t[3], {24, ~0ull, 0}), slot(), 1, 0);
    TRY(listmount, SLOT_OF(uint64_t[3], {24, 12345, 0}), slot(), 10, 0);
}
CASE(quotactl_fd) {
    int f = open("/tmp", O_RDONLY);
    TRY(quotactl_fd, f, 0x80000700, 0, slot()); /* Q_GETQUOTA */
    TRY(quotactl_fd, f, 0x80000400, 0, slot()); /* Q_GETFMT */
    TRY(quotactl_fd, f, 0x80005808, 0, slot()); /* Q_XGETQSTATV */
    FAILS(quotactl_fd, f, 0x80000200, 0, "/nowhere");
}
