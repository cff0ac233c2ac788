/* exit: 0 */
/* Landlock: a process that forbids itself all but one folder. */
#include "check.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

int main(void) {
    struct landlock_ruleset_attr attributes = {.handled_access_fs =
                                                   LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE};

    CHECK(mkdir("allowed", 0700) == 0 && close(open("allowed/file", O_CREAT | O_WRONLY, 0600)) == 0 &&
          close(open("other", O_CREAT | O_WRONLY, 0600)) == 0);
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (absent(version, "Landlock"))
        return 0;
    printf("version %ld\n", version);
    int rules = (int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0);
    struct landlock_path_beneath_attr below = {attributes.handled_access_fs, open("allowed", O_PATH)};
    CHECK(syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &below, 0) == 0);
    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && syscall(SYS_landlock_restrict_self, rules, 0) == 0);
    int file = open("allowed/file", O_RDWR);
    CHECK(file >= 0 && open("other", O_RDONLY) == -1 && errno == EACCES);
    printf("rules %d, allowed %d\n", rules, file);
    return 0;
}
