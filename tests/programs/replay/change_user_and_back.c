/* exit: 0 */
/* needs: root */
/* Effective users and groups that change to and fro, the file system's user, and capabilities. */
#include "check.h"

#include <linux/capability.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>

int main(void) {
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];
    uid_t real, effective, saved;

    CHECK(seteuid(1000) == 0 && geteuid() == 1000 && getuid() == 0 && seteuid(0) == 0);
    CHECK(setreuid(-1, 2000) == 0 && setreuid(-1, 0) == 0 && setregid(-1, 3000) == 0 && setregid(-1, 0) == 0);
    CHECK(setresuid(0, 1000, 0) == 0 && getresuid(&real, &effective, &saved) == 0 && effective == 1000 && saved == 0);
    CHECK(setresuid(-1, 0, -1) == 0);
    printf("fs user %d, then %d; group %d\n", setfsuid(4000), setfsuid(0), setfsgid(0));
    CHECK(syscall(SYS_capget, &head, data) == 0);
    printf("capabilities %x %x %x\n", data[0].effective, data[0].permitted, data[1].effective);
    data[0].effective &= ~(1u << CAP_KILL);
    CHECK(syscall(SYS_capset, &head, data) == 0 && syscall(SYS_capget, &head, data) == 0);
    printf("then %x\n", data[0].effective);
    CHECK(!(data[0].effective & 1u << CAP_KILL));
    head.version = 0;
    CHECK(syscall(SYS_capget, &head, NULL) == 0 || errno == EINVAL);
    printf("preferred version %x\n", head.version);
    return 0;
}
