/* exit: 0 */
/* Extended attributes by path, by link and by descriptor, where the file system has them. */
#include "check.h"

#include <fcntl.h>
#include <sys/xattr.h>

int main(void) {
    char value[100], names[200];
    unsigned char bytes[20];

    int file = open("data", O_CREAT | O_RDWR, 0600);
    CHECK(file >= 0 && symlink("data", "link") == 0);
    fill_random(bytes, sizeof bytes);
    int result = setxattr("data", "user.first", bytes, sizeof bytes, XATTR_CREATE);
    if (absent(result, "user.* attributes"))
        return 0;
    CHECK(result == 0 && setxattr("data", "user.first", "x", 1, XATTR_CREATE) == -1 && errno == EEXIST);
    CHECK(fsetxattr(file, "user.second", "value", 5, 0) == 0);
    CHECK(getxattr("link", "user.first", value, sizeof value) == 20 && memcmp(value, bytes, 20) == 0);
    printf("first: %016llx\n", (unsigned long long)hash_of(value, 20));
    CHECK(fgetxattr(file, "user.second", NULL, 0) == 5 && getxattr("data", "user.second", value, 2) == -1 &&
          errno == ERANGE);
    CHECK(lgetxattr("link", "user.first", value, sizeof value) == -1);
    ssize_t size = listxattr("data", names, sizeof names);
    CHECK(size > 20 && flistxattr(file, NULL, 0) == size && llistxattr("link", value, sizeof value) >= 0);
    for (char *name = names; name < names + size; name += strlen(name) + 1)
        printf("%s\n", name);
    CHECK(removexattr("data", "user.first") == 0 && fremovexattr(file, "user.second") == 0);
    CHECK(getxattr("data", "user.first", value, sizeof value) == -1 && errno == ENODATA);
    CHECK(lremovexattr("link", "user.first") == -1 && lsetxattr("link", "user.first", "x", 1, 0) == -1);
    return 0;
}
