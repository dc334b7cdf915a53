/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* VFIO's nodes, given to a user and taken back (host/kernel.h). A node is reached without being opened (O_PATH below
 * kernel->dev_fd, no symlink followed), since opening one holds the device; it must be the character device that sysfs tells of.
 *
 * It belongs to root while anything about it changes, and to whom it is given last, so that in no moment anybody has more than before
 * or after. The context is written only where the kernel has SELinux (fs/selinux below kernel->sysfs_fd is mounted); -EOPNOTSUPP where one is
 * wanted and there is none. Owner and mode are read back: -EPROTO if they are not what was set.
 *
 * 0, and nothing is written, where the node has that access already. -ENXIO: sysfs knows of no such node (the device is on no VFIO driver,
 * or the kernel makes none of this kind). -ENOENT: sysfs does, and /dev has none. -ESTALE: the node in /dev is another one. */

#include "host/kernel.h"

/* /dev/vfio/devices/vfioX, of ADDRESS/vfio-dev/vfioX (drivers/vfio/device_cdev.c). */
int kernel_node_set_device(Kernel *kernel, const PciAddress *address, const NodeAccess *access);

/* /dev/vfio/GROUP, of class/vfio/GROUP (drivers/vfio/group.c, vfio_group_alloc). */
int kernel_node_set_group(Kernel *kernel, uint32_t group, const NodeAccess *access);

/* The same of any node, `path` below kernel->dev_fd, which must be a character device of that number. */
int kernel_node_set(Kernel *kernel, const char *path, dev_t number, const NodeAccess *access);
