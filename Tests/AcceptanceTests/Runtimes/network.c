#include "network.h"

#include "bundle.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/if_tun.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { most_words = 32, route_up = 1 /* RTF_UP */ };

/* The interface and the gateway of the default route. */
static bool find_route(struct network *network)
{
    FILE *routes = fopen("/proc/self/net/route", "re");
    char line[256], name[17];
    bool found = false;
    while (routes && !found && fgets(line, sizeof line, routes)) {
        unsigned destination, gateway, flags, mask;
        if (sscanf(line, "%16s %x %x %x %*s %*s %*s %x", name, &destination, &gateway, &flags, &mask) != 5) continue;
        if (destination || mask || !(flags & route_up) || !strcmp(name, "lo") || strlen(name) >= IFNAMSIZ) continue;
        strcpy(network->interface, name);
        /* The file shows the address as the machine's own number. */
        found = inet_ntop(AF_INET, &(struct in_addr){gateway}, network->gateway, sizeof network->gateway);
    }
    if (routes) fclose(routes);
    return found;
}

static bool find_address(struct network *network)
{
    struct ifaddrs *list;
    bool found = false;
    if (getifaddrs(&list)) fail(strerror(errno), "getifaddrs");
    for (struct ifaddrs *at = list; at && !found; at = at->ifa_next) {
        if (!at->ifa_addr || at->ifa_addr->sa_family != AF_INET || strcmp(at->ifa_name, network->interface)) continue;
        struct in_addr address = ((struct sockaddr_in *)(void *)at->ifa_addr)->sin_addr;
        struct in_addr mask = ((struct sockaddr_in *)(void *)at->ifa_netmask)->sin_addr;
        network->prefix_length = __builtin_popcount(mask.s_addr);
        found = inet_ntop(AF_INET, &address, network->address, sizeof network->address);
    }
    freeifaddrs(list);
    return found;
}

bool find_network(struct network *network)
{
    memset(network, 0, sizeof *network);
    if (!find_route(network) || !find_address(network)) return false;
    int any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq request = {0};
    strcpy(request.ifr_name, network->interface);
    if (any < 0 || ioctl(any, SIOCGIFMTU, &request)) fail(strerror(errno), network->interface);
    network->mtu = request.ifr_mtu;
    if (ioctl(any, SIOCGIFHWADDR, &request)) fail(strerror(errno), network->interface);
    const unsigned char *mac = (const unsigned char *)request.ifr_hwaddr.sa_data;
    sprintf(network->mac, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
    close(any);
    return true;
}

/* Runs a program with words that are separated by single spaces; when it fails, its first words are in `said`. */
static bool run(char *line, char *said, size_t size)
{
    char *words[most_words + 1];
    int count = 0, ends[2], status;
    while (count < most_words && (words[count] = strsep(&line, " "))) count++;
    words[count] = NULL;
    if (pipe2(ends, O_CLOEXEC)) fail(strerror(errno), "pipe");
    pid_t child = fork();
    if (child < 0) fail(strerror(errno), "fork");
    if (!child) {
        dup2(ends[1], 1);
        dup2(ends[1], 2);
        execvp(words[0], words);
        dprintf(2, "%s: %s\n", words[0], strerror(errno));
        _exit(127);
    }
    close(ends[1]);
    size_t used = 0;
    ssize_t got;
    while (used < size - 1 && (got = read(ends[0], said + used, size - 1 - used)) > 0) used += (size_t)got;
    said[used] = 0;
    said[strcspn(said, "\n")] = 0;
    close(ends[0]);
    return waitpid(child, &status, 0) == child && !status;
}

static void must(char *line)
{
    char said[256], *name = strdup(line);
    if (!run(line, said, sizeof said)) fail(said, name);
    free(name);
    free(line);
}

static void redirect(const char *from, const char *to)
{
    must(text("tc filter add dev %s parent ffff: protocol all u32 match u32 0 0 action mirred egress redirect dev %s", from,
        to));
}

void attach_tap(const struct network *network, uid_t user, gid_t group)
{
    int tun = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    strcpy(request.ifr_name, tap_name);
    if (tun < 0 || ioctl(tun, TUNSETIFF, &request) || ioctl(tun, TUNSETOWNER, (unsigned long)user)
        || ioctl(tun, TUNSETGROUP, (unsigned long)group) || ioctl(tun, TUNSETPERSIST, 1UL))
        fail(strerror(errno), tap_name);
    close(tun);
    must(text("ip link set dev " tap_name " mtu %d up", network->mtu));
    must(text("tc qdisc add dev %s ingress", network->interface));
    must(text("tc qdisc add dev " tap_name " ingress"));
    redirect(network->interface, tap_name);
    redirect(tap_name, network->interface);
}

void detach_tap(int namespace)
{
    char said[256];
    struct network network;
    if (setns(namespace, CLONE_NEWNET) || !if_nametoindex(tap_name)) return;
    run(text("ip link del dev " tap_name), said, sizeof said);
    if (find_route(&network)) run(text("tc qdisc del dev %s ingress", network.interface), said, sizeof said);
}
