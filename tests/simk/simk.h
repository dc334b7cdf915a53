/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* A simulated kernel over a tree of tests/tree: drivers that match, bind and leave, overrides, VFIO nodes, who owns a group,
 * with the errnos and the order of things of the real one (Linux 6.12). simk_ops is what a worker acts on (simk-worker is
 * assignd-worker with it); the rest is for the test, in any process, at any time. All state is files and file locks
 * below the tree, so that it outlives any process, and what a process holds goes with it:
 *
 *   dev/                  what stands for /dev: vfio/vfio, vfio/N, vfio/devices/vfioX, iommu
 *   simk/drivers/NAME/    ids (a line each), and `vfio` or `exempt` for what it is
 *   simk/faults/          what is to go wrong
 *   simk/trace            a line when a call begins and a line when it ends
 *   simk/uevents          if a test binds a datagram socket there, it receives what the kernel would tell
 *
 * A device is open while any copy of an fd of it is: the fds handed out carry a lock that goes with the last copy. */

#include "base/pci-address.h"
#include "host/kernel.h"

extern const KernelOps simk_ops;

/* Turns a tree into a simulated kernel's. Every driver matches the ids of the devices that it has now; "vfio-pci" is a VFIO
 * driver, "pcieport" and "pci-stub" are exempt. With `iommufd` the kernel has /dev/iommu and cdevs. Returns 0 or an errno. */
int simk_prepare(int root_fd, bool iommufd);

/* The directory that stands for /dev (O_PATH). */
int simk_open_dev(int root_fd);

typedef enum SimkDriverKind {
        SIMK_DRIVER_HOST,
        SIMK_DRIVER_VFIO,
        SIMK_DRIVER_EXEMPT,
} SimkDriverKind;

/* Registers a driver without ids. -EEXIST: it is there. */
int simk_add_driver(int root_fd, const char *name, SimkDriverKind kind);
int simk_add_driver_id(int root_fd, const char *name, uint16_t vendor, uint16_t device);

/* What anybody with root can write. Results and side effects as in the kernel; no trace, no faults. */
int simk_set_override(int root_fd, const PciAddress *address, const char *driver);
int simk_unbind(int root_fd, const PciAddress *address, const char *driver);
int simk_bind(int root_fd, const PciAddress *address, const char *driver);

/* The same in halves, for a test that is the only one to act on the tree and must not block: nothing is locked, waited for or
 * told. Between the halves the device is in the middle of probe() or remove(); the second must follow when the first returned 0,
 * for an unbind from a VFIO driver not before simk_is_open() says false. */
int simk_unbind_begin(int root_fd, const PciAddress *address, const char *driver);
int simk_unbind_end(int root_fd, const PciAddress *address, const char *driver);
int simk_bind_begin(int root_fd, const PciAddress *address, const char *driver);
int simk_bind_end(int root_fd, const PciAddress *address, const char *driver);

/* Whether somebody has the device open, as a cdev or from its group. */
bool simk_is_open(int root_fd, const PciAddress *address);

/* drivers_probe: the first driver that matches (by name) is bound. Succeeds too where none matches or its probe fails. */
int simk_probe(int root_fd, const PciAddress *address);

/* The device held open, as a user does: its unbind from a VFIO driver does not return until the fd is closed. -ENODEV: it is
 * on none. The caller owns the fd. */
int simk_hold(int root_fd, const PciAddress *address);

/* The group owned, as by a bound cdev or a container: until the fd is closed host drivers get EBUSY. -EPERM: a host driver
 * has a member; -EBUSY: it is owned; -ENOENT: no member is on a VFIO driver. */
int simk_claim(int root_fd, uint32_t group);

/* The access that the node of the device (NULL: of the group) has: owner and mode are the file's, the context is its attribute. A new
 * node is root's with mode 0600. -ENXIO: there is none. Setting it to another user takes root. */
int simk_read_node(int root_fd, const PciAddress *address, uint32_t group, NodeAccess *ret);
int simk_set_node(int root_fd, const PciAddress *address, uint32_t group, const NodeAccess *access);

/* Calls of a worker. */
typedef enum SimkCall {
        SIMK_SET_OVERRIDE,
        SIMK_UNBIND,
        SIMK_BIND,
        SIMK_OPEN_IOMMUFD,
        SIMK_OPEN_CDEV,
        SIMK_OPEN_CONTAINER,
        SIMK_OPEN_GROUP,
        SIMK_OPEN_DEVICE,
        SIMK_CHECK_HOLDERS,
        SIMK_SET_DEVICE_NODE,
        SIMK_SET_GROUP_NODE,
        SIMK_ANY,
} SimkCall;

/* The n-th (from 1) such call from now on, of `address` only unless NULL:
 * fail: it does nothing and returns `error` (an errno);
 * hang: it does not return until the fd that this returns is closed: in the middle of remove() or probe() for unbind and
 *   bind, so the driver link is gone or there already, and nothing else gets at the device's drivers;
 * crash: the worker's process ends before the call does anything, or when all is done and nothing is answered. */
int simk_fail(int root_fd, SimkCall call, const PciAddress *address, unsigned n, int error);
int simk_hang(int root_fd, SimkCall call, const PciAddress *address, unsigned n);
int simk_crash(int root_fd, SimkCall call, const PciAddress *address, unsigned n, bool when_done);

/* All lines of the trace so far: "begin unbind 0000:02:00.0 e1000e", "end unbind 0000:02:00.0 e1000e 0" (the last word is
 * the result). The caller frees *ret. */
int simk_read_trace(int root_fd, char **ret);

/* Waits until a line of the trace starts with `line`, for 30 s at most (-ETIMEDOUT). */
int simk_await(int root_fd, const char *line);

/* Tells what the kernel tells when a device comes or goes: "add", "remove", "bind", "unbind", "change". Nobody listening: 0. */
int simk_emit(int root_fd, const char *action, const PciAddress *address);

/* The same without waiting for room in the listener's queue: -EAGAIN. */
int simk_try_emit(int root_fd, const char *action, const PciAddress *address);
