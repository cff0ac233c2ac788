/* exit: 0 */
/* name_to_handle_at and open_by_handle_at: a file by a handle, and a handle too small. */
#include "check.h"

#include <fcntl.h>

int main(void) {
    char storage[sizeof(struct file_handle) + 128] __attribute__((aligned(8)));
    struct file_handle *handle = (void *)storage;
    int mount;
    char text[10];

    int file = open("data", O_CREAT | O_RDWR, 0600);
    CHECK(write(file, "text", 4) == 4);
    handle->handle_bytes = 0;
    int result = name_to_handle_at(AT_FDCWD, "data", handle, &mount, 0);
    if (result == -1 && errno == EOPNOTSUPP) {
        printf("no handles on this file system\n");
        return 0;
    }
    CHECK(result == -1 && errno == EOVERFLOW && handle->handle_bytes > 0);
    printf("%u bytes needed\n", handle->handle_bytes);
    handle->handle_bytes = 128;
    CHECK(name_to_handle_at(AT_FDCWD, "data", handle, &mount, 0) == 0);
    printf("handle %016llx of type %d on mount %d\n",
           (unsigned long long)hash_of(handle->f_handle, handle->handle_bytes), handle->handle_type, mount);
    int again = open_by_handle_at(AT_FDCWD, handle, O_RDONLY);
    if (!absent(again, "open_by_handle_at"))
        CHECK(again >= 0 && read(again, text, sizeof text) == 4 && memcmp(text, "text", 4) == 0);
    return 0;
}
