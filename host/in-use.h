/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What the host does with PCI functions now: file systems and swap on their disks, addresses and routes of their interfaces,
 * the console, what was made of them. Who has their nodes open is for the worker (host/kernel-open.h).
 *
 * Nothing that is read waits for a device, a file system or another process:
 *   sysfs       directories and links; `dev`, `dm/name`, `loop/backing_file`, `boot_vga`: numbers and names from memory
 *   PROC/1/mountinfo  what process 1 sees mounted (fs/proc_namespace.c, show_mountinfo: names and options from memory; a
 *               file system's server is not asked). Process 1's, because the daemon's own namespace is not the host's
 *   PROC/swaps  (mm/swapfile.c, swap_show: the mutex it takes is not held while swap is written or read back)
 *   PROC/net/route, ipv6_route, if_inet6   under RCU; rtnetlink would wait for the lock that a driver may sleep under
 *   PROC/cmdline, PROC/spl/kstat/zfs, udev's database
 * `console/active`, /proc/consoles and vtconsole/bind are not read: they take the console lock.
 *
 * It costs what hangs below the functions asked for, and one pass over mounts and swap if there is a disk among it, over routes
 * if there is an interface.
 *
 * What is not seen: an IPv4 address without a route in the main table; mounts and interfaces of namespaces other than process
 * 1's (that an interface is in one is seen); a disk that something in the kernel has without saying so (a target, an external
 * journal of a file system that does not name it in its options). IPv6 addresses that the kernel gave itself (link-local) do not
 * count. */

#include "policy/use.h"

typedef struct InUseRoots {
        int sysfs_fd;
        int proc_fd;
        int udev_fd; /* udev's database, /run/udev/data; -EBADF: none */
} InUseRoots;

/* Finds the uses of the functions, in their order. What could not be found out is among them (Use.error). A function that is gone has
 * none. Returns 0, -ENOMEM, or another negative errno of ours (-EMFILE, -ENFILE). */
int in_use_read(const InUseRoots *roots, const PciAddress *devices, size_t n_devices, UseList *ret);
