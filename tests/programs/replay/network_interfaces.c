/* exit: 0 */
/* What ioctl and a netlink socket say of the machine's network interfaces. */
#include "check.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

int main(void) {
    struct {
        struct nlmsghdr head;
        struct ifinfomsg info;
    } request = {{sizeof request, RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, 1, 0}, {.ifi_family = AF_UNSPEC}};
    struct ifreq interfaces[16], one = {.ifr_name = "lo"};
    struct ifconf list = {.ifc_len = sizeof interfaces, .ifc_req = interfaces};
    static char buffer[65536] __attribute__((aligned(8)));
    int done = 0;

    int udp = socket(AF_INET, SOCK_DGRAM, 0);
    CHECK(ioctl(udp, SIOCGIFCONF, &list) == 0);
    for (int i = 0; i < list.ifc_len / (int)sizeof interfaces[0]; i++)
        printf("%s\n", interfaces[i].ifr_name);
    CHECK(ioctl(udp, SIOCGIFFLAGS, &one) == 0 && one.ifr_flags & IFF_LOOPBACK);
    CHECK(ioctl(udp, SIOCGIFINDEX, &one) == 0);
    printf("lo is number %d\n", one.ifr_ifindex);
    int route = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (absent(route, "netlink"))
        return 0;
    CHECK(send(route, &request, sizeof request, 0) == sizeof request);
    while (!done) {
        ssize_t size = recv(route, buffer, sizeof buffer, 0);
        CHECK(size > 0);
        for (struct nlmsghdr *head = (void *)buffer; NLMSG_OK(head, size); head = NLMSG_NEXT(head, size)) {
            done |= head->nlmsg_type == NLMSG_DONE;
            printf("message %d of %u, to %u: %016llx\n", head->nlmsg_type, head->nlmsg_len, head->nlmsg_pid,
                   (unsigned long long)hash_of(head, head->nlmsg_len));
        }
    }
    return 0;
}
