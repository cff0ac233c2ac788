/* exit: 0 */
/* Files of /proc and /sys that tell of the machine: they change from one moment to the next. */
#include "check.h"

int main(void) {
    static const char *const files[] = {"/proc/stat",
                                        "/proc/uptime",
                                        "/proc/meminfo",
                                        "/proc/loadavg",
                                        "/proc/cpuinfo",
                                        "/proc/version",
                                        "/proc/sys/kernel/random/uuid",
                                        "/sys/devices/system/cpu/online"};
    char line[1000];

    for (size_t i = 0; i < COUNT(files); i++) {
        FILE *file = fopen(files[i], "r");
        uint64_t hash = 0;
        if (!file)
            continue;
        for (int count = 0; fgets(line, sizeof line, file); count++) {
            hash = hash * 31 + hash_of(line, strlen(line));
            if (count == 0)
                printf("%s: %s", files[i], line);
        }
        printf("%016llx\n", (unsigned long long)hash);
        fclose(file);
    }
    return 0;
}
