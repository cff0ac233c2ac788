/* exit: 0 */
/* What can be asked of the loopback interface: address, mask, size, queue, and its driver by ethtool. */
#include "check.h"

#include <arpa/inet.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

int main(void) {
    static const unsigned long requests[] = {SIOCGIFINDEX,   SIOCGIFFLAGS,  SIOCGIFADDR,   SIOCGIFNETMASK,
                                             SIOCGIFBRDADDR, SIOCGIFMETRIC, SIOCGIFMTU,    SIOCGIFHWADDR,
                                             SIOCGIFTXQLEN,  SIOCGIFMAP,    SIOCGIFDSTADDR};
    struct ethtool_drvinfo driver = {.cmd = ETHTOOL_GDRVINFO};
    struct ifreq request;

    int udp = socket(AF_INET, SOCK_DGRAM, 0);
    for (size_t i = 0; i < COUNT(requests); i++) {
        memset(&request, 0, sizeof request);
        strcpy(request.ifr_name, "lo");
        int result = ioctl(udp, requests[i], &request);
        printf("%lx: %d, %016llx\n", requests[i], result,
               (unsigned long long)hash_of(&request.ifr_ifru, sizeof(struct sockaddr)));
    }
    CHECK(ioctl(udp, SIOCGIFINDEX, &request) == 0);
    memset(request.ifr_name, 0, sizeof request.ifr_name);
    CHECK(ioctl(udp, SIOCGIFNAME, &request) == 0 && strcmp(request.ifr_name, "lo") == 0);
    request.ifr_data = (void *)&driver;
    int result = ioctl(udp, SIOCETHTOOL, &request);
    printf("ethtool %d: %s\n", result, result ? strerror(errno) : driver.driver);
    struct arpreq address = {.arp_pa = {.sa_family = AF_INET}, .arp_dev = "lo"};
    result = ioctl(udp, SIOCGARP, &address);
    printf("arp %d: %s\n", result, strerror(errno));
    strcpy(request.ifr_name, "no-such");
    CHECK(ioctl(udp, SIOCGIFADDR, &request) == -1 && errno == ENODEV);
    return 0;
}
