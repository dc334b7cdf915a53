/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <fcntl.h>
#include <string.h>

#include "base/io.h"
#include "base/strutil.h"
#include "host/in-use-internal.h"

#define NET_DIRECTORY "class/net"
/* A router with every route of the internet has more than this; its interfaces count as in use. */
#define ROUTES_MAX ((size_t) 4 * 1024 * 1024)
#define NETS_MAX 4096U

int in_use_add_net(InUse *in_use, const char *name, const PciAddress *device) {
        _cleanup_free_ char *copy = NULL;
        NetNode *grown;
        int r;

        for (size_t i = 0; i < in_use->n_nets; i++)
                if (string_equal(in_use->nets[i].name, name) && pci_address_compare(&in_use->nets[i].device, device) == 0)
                        return 0;
        if (in_use->n_nets >= NETS_MAX)
                return -EFBIG;
        r = string_copy(name, &copy);
        if (r < 0)
                return r;
        grown = reallocarray(in_use->nets, in_use->n_nets + 1, sizeof(NetNode));
        if (!grown)
                return -ENOMEM;
        grown[in_use->n_nets++] = (NetNode) { TAKE_PTR(copy), *device };
        in_use->nets = grown;
        return 1;
}

/* The interface `other` has the node among its ports or sits on it: what is on `other` is on the node. */
static int add_above(InUse *in_use, size_t at, UseKind kind, const char *other) {
        const PciAddress device = in_use->nets[at].device;
        int r;

        r = use_list_add(&in_use->uses, kind, &device, in_use->nets[at].name, other);
        if (r >= 0)
                r = in_use_add_net(in_use, other, &device);
        return r < 0 ? r : 0;
}

typedef struct Above {
        size_t at;
        const char *master; /* NULL: none */
} Above;

/* drivers/../net/core/dev.c, netdev_adjacent_sysfs_add: a link "upper_NAME" to each interface above, the master among them. */
static int on_net_attribute(InUse *in_use, int fd, const char *name, void *userdata) {
        static const char upper[] = "upper_";
        const Above *above = userdata;

        if (strncmp(name, upper, strlen(upper)) != 0 || string_equal(name + strlen(upper), above->master))
                return 0;
        return add_above(in_use, above->at, USE_UPPER, name + strlen(upper));
}

static int follow_net(InUse *in_use, size_t at) {
        _cleanup_free_ char *path = NULL, *master = NULL;
        _cleanup_close_ int fd = -EBADF;
        int r;

        r = string_format(&path, NET_DIRECTORY "/%s", in_use->nets[at].name);
        if (r < 0)
                return r;
        fd = RET_NERRNO(openat(in_use->roots->sysfs_fd, path, O_PATH | O_DIRECTORY | O_CLOEXEC));
        if (fd < 0)
                return fd == -ENOENT ? 0 : fd;
        r = link_basename_at(fd, "master", &master);
        if (r < 0 && r != -ENOENT)
                return r;
        if (master) {
                r = add_above(in_use, at, USE_PORT, master);
                if (r < 0)
                        return r;
        }
        return in_use_read_names(in_use, fd, ".", on_net_attribute, &(Above) { at, master });
}

int in_use_follow_nets(InUse *in_use) {
        int r;

        for (size_t i = 0; i < in_use->n_nets; i++) {
                r = follow_net(in_use, i);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Adds the use to every function that has the interface. */
static int add_for(InUse *in_use, const char *interface, UseKind kind, const char *what) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < in_use->n_nets; i++)
                if (string_equal(in_use->nets[i].name, interface))
                        r = use_list_add(&in_use->uses, kind, &in_use->nets[i].device, interface, what);
        return r;
}

/* "eth0 0002A8C0 00000000 0001 0 0 0 00FFFFFF ...": network and mask in network order, as a number of this machine's
 * (net/ipv4/fib_trie.c, fib_route_seq_show). */
static int on_route(InUse *in_use, char *line, void *userdata) {
        char interface[32], network[INET_ADDRSTRLEN], text[INET_ADDRSTRLEN + 4];
        unsigned destination, mask, flags;

        if (sscanf(line, "%31s %x %*x %x %*d %*d %*d %x", interface, &destination, &flags, &mask) != 4)
                return 0;
        if (mask == 0)
                return add_for(in_use, interface, USE_DEFAULT_ROUTE, NULL);
        if (!inet_ntop(AF_INET, &(struct in_addr) { .s_addr = destination }, network, sizeof(network)))
                return 0;
        (void) snprintf(text, sizeof(text), "%s/%d", network, __builtin_popcount(mask));
        return add_for(in_use, interface, USE_ROUTE, text);
}

/* "DEST 00 SOURCE 00 NEXTHOP metric ref use flags eth0" (net/ipv6/route.c, rt6_info_route / ip6_fib.c, ipv6_route_native_seq_show). */
static int on_route6(InUse *in_use, char *line, void *userdata) {
        char destination[33], interface[32];
        unsigned length;

        if (sscanf(line, "%32s %x %*s %*x %*s %*x %*x %*x %*x %31s", destination, &length, interface) != 3 || length != 0)
                return 0;
        return add_for(in_use, interface, USE_DEFAULT_ROUTE, NULL);
}

#define SCOPE_LINK 0x20U

/* "20010db8000000000000000000000001 02 40 00 80 eth0": address, index, length, scope, flags (net/ipv6/addrconf.c, if6_seq_show). */
static int on_address6(InUse *in_use, char *line, void *userdata) {
        char digits[33], interface[32], text[INET6_ADDRSTRLEN];
        struct in6_addr address = {};
        unsigned scope;

        if (sscanf(line, "%32s %*x %*x %x %*x %31s", digits, &scope, interface) != 3 || strlen(digits) != 32 || scope == SCOPE_LINK)
                return 0;
        for (size_t i = 0; i < 16; i++)
                address.s6_addr[i] = (uint8_t) (hex_digit(digits[2 * i]) << 4 | hex_digit(digits[2 * i + 1]));
        if (!inet_ntop(AF_INET6, &address, text, sizeof(text)))
                return 0;
        return add_for(in_use, interface, USE_ADDRESS, text);
}

int in_use_read_routes(InUse *in_use) {
        static const struct {
                const char *path;
                in_use_line_t handler;
        } tables[] = {
                { "net/route", on_route },
                { "net/ipv6_route", on_route6 },
                { "net/if_inet6", on_address6 },
        };

        for (size_t i = 0; i < ELEMENTSOF(tables); i++) {
                int r = in_use_read_lines(in_use, in_use->roots->proc_fd, tables[i].path, ROUTES_MAX, tables[i].handler, NULL);

                if (r < 0 && r != -ENOENT) /* a kernel without this protocol */
                        return r;
        }
        return 0;
}
