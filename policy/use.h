/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What the host does with a device now: the input of policy/guard.h. host/in-use.h finds it. */

#include "base/macro.h"
#include "base/pci-address.h"

typedef enum UseKind {
        USE_MOUNT,             /* `what` is a mount point, `node` the block device that it comes from */
        USE_SWAP,              /* `node` is swapped to */
        USE_BLOCK_HOLDER,      /* `what` (dm-0, md127, loop3, a pool, ...) is made of `node` */
        USE_ADDRESS,           /* `what` is an address of the interface `node` */
        USE_ROUTE,             /* `what` is a network that is reached through `node` */
        USE_DEFAULT_ROUTE,     /* of the interface `node` */
        USE_PORT,              /* the interface `node` is a port of `what`: a bridge, bond, VRF, ... */
        USE_UPPER,             /* the interface `what` (a VLAN, macvlan, ...) sits on `node` */
        USE_OTHER_NAMESPACE,   /* an interface is in a network namespace that is not the host's */
        USE_FRAMEBUFFER,       /* `node` is what the console is drawn on */
        USE_BOOT_DISPLAY,      /* the firmware's display */
        USE_SERIAL_CONSOLE,    /* `node` is named as a console on the kernel's command line */
        USE_CHILD,             /* `node` is a device made from this one; `what` its kind: mdev, vdpa, dsa */
        _USE_KIND_MAX,
        _USE_KIND_INVALID = -EINVAL,
} UseKind;

typedef struct Use {
        UseKind kind;
        PciAddress device;
        char *node;    /* NULL: none */
        char *what;    /* NULL: none */
        int error;     /* not 0: whether there is such a use could not be found out, a negative errno */
        size_t n_more; /* further uses of this kind and device, which are not listed */
} Use;

/* Of one kind and device so many are listed. */
#define USES_LISTED_MAX 8U

typedef struct UseList {
        Use *items;
        size_t n_items;
} UseList;

void use_list_done(UseList *list);

/* Appends one (counts it, past USES_LISTED_MAX; passes over one that is listed). The strings may be NULL and are copied, escaped
 * where they are not plain text. Returns 0 or -ENOMEM. */
int use_list_add(UseList *list, UseKind kind, const PciAddress *device, const char *node, const char *what);

/* Appends that it could not be found out. */
int use_list_add_unknown(UseList *list, UseKind kind, const PciAddress *device, int error);
