/* exit: 0 */
/* Calls of an administrator with arguments that no kernel takes: each is refused, and nothing is changed. */
#include "check.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/quota.h>
#include <sys/reboot.h>
#include <sys/swap.h>
#include <sys/syscall.h>

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
    REFUSED(syscall(SYS_setdomainname, "x", -1));
    REFUSED(syscall(SYS_sethostname, "x", -1));
    return 0;
}
