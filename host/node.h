/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* VFIO's nodes as they are: who may open them. Nothing is opened (O_PATH holds no device) and nothing blocks. The context is read only where the
 * kernel has SELinux, and is "" where there is none. Acting on nodes is the worker's (host/kernel-node.h). */

#include "base/node-access.h"
#include "base/pci-address.h"

#define NODE_NAME_MAX sizeof("vfio/devices/vfio4294967295")

/* The node of the device, below /dev/vfio/devices; its name below /dev is put into `ret_name`. -ENOENT: it has none (it is on no VFIO driver, or the
 * kernel makes none of this kind). */
int node_read_device(int sysfs_fd, int dev_fd, const PciAddress *address, char ret_name[static NODE_NAME_MAX], NodeAccess *ret);

/* The node of the group, /dev/vfio/GROUP. -ENOENT: it has none. */
int node_read_group(int sysfs_fd, int dev_fd, uint32_t group, char ret_name[static NODE_NAME_MAX], NodeAccess *ret);

/* Whether the kernel has SELinux, so that nodes have contexts. */
bool node_has_context(int sysfs_fd);
