/* exit: 0 */
/* Calls of an administrator with arguments that no kernel takes: each is refused, and nothing is changed. */
#include "check.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/quota.h>
#include <sys/reboot.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/time.h>

#define REFUSED(call)                                                                                                  \
    do {                                                                                                               \
        long result = (call);                                                                                          \
        printf("%s: %ld, %s\n", #call, result, strerror(errno));                                                       \
        CHECK(result == -1);                                                                                           \
    } while (0)

int main(void) {
    REFUSED(mount("none", "/does/not/exist", "tmpfs", 0, NULL));
    REFUSED(umount2("/does/not/exist", MNT_DETACH));
    REFUSED(syscall(SYS_pivot_root, "/does/not/exist", "/does/not/exist"));
    REFUSED(swapon("/does/not/exist", 0));
    REFUSED(swapoff("/does/not/exist"));
    REFUSED(acct("/does/not/exist"));
    REFUSED(syscall(SYS_reboot, 0, 0, 0, NULL));
    REFUSED(quotactl(QCMD(Q_SYNC, 99), "/does/not/exist", 0, NULL));
    REFUSED(syscall(SYS_quotactl_fd, -1, QCMD(Q_GETINFO, USRQUOTA), 0, NULL));
    REFUSED(syscall(SYS_init_module, NULL, 0, ""));
    REFUSED(syscall(SYS_finit_module, -1, "", 0));
    REFUSED(syscall(SYS_delete_module, "no-such-module", O_NONBLOCK));
    REFUSED(syscall(SYS_kexec_load, 0, 1000000, NULL, 0));
    REFUSED(syscall(SYS_open_tree, -1, "x", 0));
    REFUSED(syscall(SYS_move_mount, -1, "", -1, "", 0));
    REFUSED(syscall(SYS_fsopen, "no-such-file-system", 0));
    REFUSED(syscall(SYS_fspick, AT_FDCWD, "/does/not/exist", 0));
    REFUSED(syscall(SYS_fsconfig, -1, 0, NULL, NULL, 0));
    REFUSED(syscall(SYS_fsmount, -1, 0, 0));
    REFUSED(syscall(SYS_mount_setattr, -1, "", 0, NULL, 0));
    REFUSED(syscall(SYS_nfsservctl, 0, NULL, NULL));
    REFUSED(syscall(SYS_process_mrelease, -1, 0));
    REFUSED(syscall(SYS_kexec_file_load, -1, -1, 1000000l, NULL, 0));
    REFUSED(syscall(SYS_lookup_dcookie, 0l, NULL, 0l));
    REFUSED(syscall(SYS_io_uring_register, -1, 0, NULL, 0));
    REFUSED(syscall(SYS_io_cancel, 0l, NULL, NULL));
    REFUSED(syscall(SYS_io_pgetevents, 0l, 1l, 1l, NULL, NULL, NULL));
    REFUSED(syscall(SYS_io_getevents, 0l, 1l, 1l, NULL, NULL));
    REFUSED(syscall(SYS_io_destroy, 0l));
    REFUSED(syscall(SYS_settimeofday, &(struct timeval){0, -1}, NULL));
    REFUSED(syscall(453 /* map_shadow_stack */, 0l, 0l, 1000000));
    REFUSED(syscall(467 /* open_tree_attr */, -1, "x", 0, NULL, 0l));
    REFUSED(syscall(469 /* file_setattr */, -1, "x", NULL, 0l, 0));
    REFUSED(syscall(456 /* futex_requeue */, NULL, 0, 1, 1));
    REFUSED(syscall(SYS_setdomainname, "x", -1));
    REFUSED(syscall(SYS_sethostname, "x", -1));
    return 0;
}
