/* exit: 0 */
/* uname, sysinfo and the host's name. */
#include "check.h"

#include <sys/sysinfo.h>
#include <sys/utsname.h>

int main(void) {
    struct utsname name;
    struct sysinfo info;
    char host[256];

    CHECK(uname(&name) == 0 && sysinfo(&info) == 0 && gethostname(host, sizeof host) == 0);
    printf("%s %s %s %s %s, %s\n", name.sysname, name.nodename, name.release, name.version, name.machine, host);
    printf("up %ld s, loads %lu %lu %lu, memory %lu of %lu, %u processes\n", info.uptime, info.loads[0], info.loads[1],
           info.loads[2], info.freeram, info.totalram, info.procs);
    printf("page %ld, ticks %ld, open files %ld, arguments %ld\n", sysconf(_SC_PAGESIZE), sysconf(_SC_CLK_TCK),
           sysconf(_SC_OPEN_MAX), sysconf(_SC_ARG_MAX));
    printf("pages %ld, free %ld, processors %d of %d\n", sysconf(_SC_PHYS_PAGES), sysconf(_SC_AVPHYS_PAGES),
           get_nprocs(), get_nprocs_conf());
    return 0;
}
