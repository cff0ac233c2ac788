/* exit: 0 */
/* /proc/self/maps and its kin, read whole and in small pieces, and agreeing with where things are. */
#include "check.h"

#include <fcntl.h>

static char *read_all(const char *path, size_t piece) {
    static char text[1 << 18];
    size_t size = 0;

    int file = open(path, O_RDONLY);
    if (file == -1) {
        printf("%s: %s\n", path, strerror(errno));
        return NULL;
    }
    for (ssize_t got; size + piece < sizeof text && (got = read(file, text + size, piece)) != 0; size += (size_t)got)
        CHECK(got > 0);
    text[size] = 0;
    close(file);
    return text;
}

int main(void) {
    unsigned long start, end;
    int local, found = 0;

    char *text = read_all("/proc/self/maps", 100);
    CHECK(text);
    printf("%s", text);
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
        if (sscanf(line, "%lx-%lx", &start, &end) == 2)
            found += ((uintptr_t)&local >= start && (uintptr_t)&local < end) +
                     ((uintptr_t)main >= start && (uintptr_t)main < end);
    CHECK(found == 2);
    static const char *const files[] = {"stat", "statm", "status", "cmdline", "limits", "io", "cgroup", "mountinfo"};
    for (size_t i = 0; i < COUNT(files); i++) {
        char path[64];
        snprintf(path, sizeof path, "/proc/self/%s", files[i]);
        text = read_all(path, 4096);
        if (text && i < 3)
            printf("%s\n", text);
        else if (text)
            printf("%s: %016llx\n", path, (unsigned long long)hash_of(text, strlen(text)));
    }
    return 0;
}
