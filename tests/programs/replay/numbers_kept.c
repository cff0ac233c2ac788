/* exit: 0 */
/* arch: x86_64 */
/* Numbers that the tables keep for calls that are gone, or never were: each says so. */
#include "check.h"

#include <sys/syscall.h>

int main(void) {
    static const int numbers[] = {SYS_uselib,       SYS__sysctl,       SYS_create_module, SYS_get_kernel_syms,
                                  SYS_query_module, SYS_nfsservctl,    SYS_getpmsg,       SYS_putpmsg,
                                  SYS_afs_syscall,  SYS_tuxcall,       SYS_security,      SYS_epoll_ctl_old,
                                  SYS_vserver,      SYS_epoll_wait_old};

    for (size_t i = 0; i < COUNT(numbers); i++) {
        long result = syscall(numbers[i], 0, 0, 0, 0, 0, 0);
        printf("%d: %ld, %s\n", numbers[i], result, strerror(errno));
        CHECK(result == -1);
    }
    printf("%d\n", getpid());
    return 0;
}
