/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The kernel as assignd-worker acts on it: the seam where tests put a simulated one (tests/simk). Every function may block
 * for as long as the kernel likes and may be called from several threads at once for different devices. Results are 0 (or an
 * fd) or the kernel's negative errno. */

#include "base/pci-address.h"
#include "host/worker-protocol.h"

typedef struct Kernel Kernel;

typedef struct KernelOps {
        /* Sets or (NULL) clears driver_override, and reads it back into `found`. */
        int (*set_override)(Kernel *kernel, const PciAddress *address, const char *driver, char found[static WORKER_NAME_MAX]);
        /* Writes the address to the named driver's `unbind`: -ENODEV if the device is not on that driver. */
        int (*unbind)(Kernel *kernel, const PciAddress *address, const char *driver, char found[static WORKER_NAME_MAX]);
        /* Writes the address to the named driver's `bind`, which unlike drivers_probe tells why not. -EBUSY: a driver is bound
         * already (then `found` names it) or user space owns the group (`found` is empty). */
        int (*bind)(Kernel *kernel, const PciAddress *address, const char *driver, char found[static WORKER_NAME_MAX]);
        int (*open_iommufd)(Kernel *kernel);
        int (*open_cdev)(Kernel *kernel, const PciAddress *address);
        int (*open_container)(Kernel *kernel);
        int (*open_group)(Kernel *kernel, uint32_t group, int container_fd, bool set_iommu_type);
        int (*open_device)(Kernel *kernel, int group_fd, const PciAddress *address);
        /* Lists who has the group or a device of it open, as far as can be seen. Changes and opens nothing. */
        int (*check_holders)(Kernel *kernel, uint32_t group, HolderList *ret);
        /* Gives the device's node, or the group's, this access. -ENXIO: the kernel has no such node (now). */
        int (*set_device_node)(Kernel *kernel, const PciAddress *address, const NodeAccess *access);
        int (*set_group_node)(Kernel *kernel, uint32_t group, const NodeAccess *access);
} KernelOps;

struct Kernel {
        const KernelOps *ops;
        int sysfs_fd; /* O_PATH directory: the root of sysfs */
        int dev_fd;   /* O_PATH directory: /dev */
        int proc_fd;  /* O_PATH directory: /proc */
};

/* The real one: what each does and which errno it knows is told in host/kernel-sysfs.h, host/kernel-vfio.h,
 * host/kernel-node.h and host/kernel-holders.h. */
extern const KernelOps kernel_ops;

/* The worker's whole life: receives requests on `socket_fd`, runs each in a thread of its own (so that steps of one phase go
 * side by side and a step that hangs hangs alone), answers, and returns when the daemon has closed the socket: 0 or a
 * negative errno. It never starts a step after that, and returns when the last one has ended. At most 64 run at once. */
int worker_run(int socket_fd, Kernel *kernel);

/* What a worker keeps between its steps, and one step of it without process, thread or socket: *ret is the answer, *ret_fd what
 * goes with it (-EBADF: nothing), which the caller owns. */
typedef struct WorkerState WorkerState;
int worker_state_new(Kernel *kernel, WorkerState **ret);
WorkerState *worker_state_free(WorkerState *state);
void worker_state_run(WorkerState *state, const WorkerRequest *request, WorkerAnswer *ret, int *ret_fd);

/* What main() of a worker does with its arguments (--socket=FD --sysfs=FD --dev=FD --proc=FD): checks the fds and runs. Returns an exit status. */
int worker_main(int argc, char *argv[], const KernelOps *ops);
