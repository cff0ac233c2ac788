/* exit: 0 */
/* ioctl on namespaces: their kind, their owner, and their relations as descriptors. */
#include "check.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

int main(void) {
    static const char *const names[] = {"user", "pid", "uts", "net", "mnt"};
    char path[64];
    struct stat status;

    for (size_t i = 0; i < COUNT(names); i++) {
        uid_t owner = 12345;
        snprintf(path, sizeof path, "/proc/self/ns/%s", names[i]);
        int own = open(path, O_RDONLY);
        if (own == -1)
            continue;
        int kind = ioctl(own, NS_GET_NSTYPE), user = ioctl(own, NS_GET_USERNS), parent = ioctl(own, NS_GET_PARENT);
        int result = ioctl(own, NS_GET_OWNER_UID, &owner);
        CHECK(fstat(own, &status) == 0);
        printf("%s: %lu, kind %x, user namespace %d, parent %d, owner %d %u\n", names[i], (long)status.st_ino, kind,
               user, parent, result, owner);
    }
    return 0;
}
