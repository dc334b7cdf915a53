/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What hangs below a PCI function in sysfs: the disks, interfaces, nodes and children that its driver has made of it. */

#include "base/macro.h"
#include "base/pci-address.h"

/* A directory below the function's own. Borrowed for the call. */
typedef struct ChildDevice {
        const char *subsystem; /* NULL: a directory that is no device, as those that group the devices of a class are */
        const char *name;
        int fd;                /* of the directory, open for reading */
} ChildDevice;

/* Shows every directory below the function to `handler`, parents first, and stops at the first result that is not 0, which it
 * returns. Directories that vanish meanwhile are passed over, as are those that only hold numbers (power, queues,
 * statistics, msi_irqs). No link is followed and no attribute read. -ENOENT: there is no such function. -ELOOP: deeper than 32. */
typedef int (*children_handler_t)(const ChildDevice *child, void *userdata);
int children_walk(int sysfs_fd, const PciAddress *address, children_handler_t handler, void *userdata);

/* The same of a block device and its partitions, itself first. */
int children_walk_block(int sysfs_fd, const char *name, children_handler_t handler, void *userdata);

/* "nvme0c1n2", a hidden path, belongs to the disk "nvme0n2", which hangs below no function (drivers/nvme/host/multipath.c,
 * nvme_mpath_set_disk_name). Returns 1 with its name, to be freed, 0 for any other name, or -ENOMEM. */
int children_multipath_head(const char *name, char **ret);
