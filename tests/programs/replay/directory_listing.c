/* exit: 0 */
/* getdents64 over a folder whose names are random, in small pieces, and seeking back in it. */
#include "check.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

int main(void) {
    char name[64], piece[512];
    int entries = 0, pieces = 0;

    CHECK(mkdir("folder", 0700) == 0 && chdir("folder") == 0);
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "file-%016llx", (unsigned long long)random_word());
        CHECK(close(open(name, O_CREAT | O_WRONLY, 0600)) == 0);
    }
    int folder = open(".", O_RDONLY | O_DIRECTORY);
    for (ssize_t size; (size = syscall(SYS_getdents64, folder, piece, sizeof piece)) != 0; pieces++) {
        CHECK(size > 0);
        for (struct dirent64 *entry = (void *)piece; (char *)entry < piece + size;
             entry = (void *)((char *)entry + entry->d_reclen), entries++)
            printf("%s %d %llu %lld\n", entry->d_name, entry->d_type, (unsigned long long)entry->d_ino,
                   (long long)entry->d_off);
    }
    CHECK(entries == 102);
    DIR *stream = opendir(".");
    CHECK(stream && readdir(stream));
    long place = telldir(stream);
    struct dirent *second = readdir(stream);
    printf("%d pieces, second %s at %ld\n", pieces, second->d_name, place);
    rewinddir(stream);
    entries = 0;
    while (readdir(stream))
        entries++;
    CHECK(entries == 102 && closedir(stream) == 0);
    return 0;
}
