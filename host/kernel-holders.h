/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Who holds a group's VFIO devices, as the real kernel tells: the last of its KernelOps (host/kernel.h). */

#include "host/kernel.h"

/* Lists who has open, by fd:
 *   the group's node: character device of /dev/vfio/GROUP (HOLDS_GROUP);
 *   a member's node below /dev/vfio/devices, by the number that ADDRESS/vfio-dev/vfioX/dev tells, or a file whose fdinfo has
 *   a `vfio-device-syspath` ending in a member's address, which newer kernels add (HOLDS_DEVICE);
 *   a VFIO device that older kernels do not tell apart (HOLDS_PERHAPS): an fd that came out of a group
 *   ("anon_inode:[vfio-device]", drivers/vfio/group.c, vfio_device_open_file) in a process that has no group's node open, while
 *   `enable` of a member counts an open (drivers/vfio/pci/vfio_pci_core.c, vfio_pci_core_enable); a node that has vanished
 *   from /sys/dev/char, while a member is leaving its driver (vfio_unregister_group_dev deletes it and then waits).
 * Nodes are told by the kernel's device numbers and not by their paths; only files whose path has "vfio" or "/dev/" in it, or ends in the name of a member's node, are looked at.
 *   a node that a host driver made of a member (HOLDS_NODE): whatever below the member's directory has a `dev`: disks and their
 *   partitions, displays, input, sound, serial lines, uio, RDMA, ...
 * What is made of those (volumes, arrays) has nodes of its own, which are not looked for: host/in-use.h tells of it.
 * udev opens a new disk for a moment, to see what is on it, so that a device just given back to its host driver seems in use: where udev
 * is all that holds nodes of host drivers, it is waited for up to 2 s before it is told of.
 * A group that does not exist is held by nobody. Returns 0 or a negative errno. */
int kernel_check_holders(Kernel *kernel, uint32_t group, HolderList *ret);
