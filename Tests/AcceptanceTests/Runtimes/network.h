/*
 * The network of a unikernel: a tap whose packets go to the container's interface and back, both ways by a filter of
 * traffic control, so that the guest stands on the network with the interface's own addresses.
 *
 * Sources: Linux, Documentation/networking/tuntap.rst; proc_net(5); tc-u32(8), tc-mirred(8).
 */
#ifndef NETWORK_H
#define NETWORK_H

#include <net/if.h>
#include <stdbool.h>
#include <sys/types.h>

#define tap_name "tap0_urunc"

struct network {
    char interface[IFNAMSIZ];
    char address[16], gateway[16]; /* in dotted decimal */
    int prefix_length, mtu;
    char mac[18];
};

/* Finds, in our network namespace, the interface of the default route; false when there is none with an IPv4 address. */
bool find_network(struct network *network);

/* Makes the tap and connects it with the interface. */
void attach_tap(const struct network *network, uid_t user, gid_t group);

/* Removes the tap and the filters from a network namespace, if they are there. */
void detach_tap(int namespace);

#endif
