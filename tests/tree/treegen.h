/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Builds sysfs as the kernel lays it out, from plain directories, files and symlinks: the host that a test reads, and the
 * state under the simulated kernel. What is built lives in the file system alone: every function works on the root directory
 * fd (which may be O_PATH) of a tree that any process may have made, and can be mixed freely with direct edits.
 *
 *   devices/pci0000:00/0000:00:01.0/0000:02:00.0/   attributes; links driver, subsystem, iommu_group, iommu, physfn, virtfnN
 *   bus/pci/devices/0000:02:00.0                    -> ../../../devices/pci0000:00/0000:00:01.0/0000:02:00.0
 *   bus/pci/drivers/NAME/                           bind, unbind, new_id, remove_id; a link to each bound device
 *   kernel/iommu_groups/14/                         type, reserved_regions, name if it has one, devices/ with a link a member
 *   class/iommu/dmar0                               -> ../../devices/virtual/iommu/dmar0
 *
 * Files hold what the kernel shows, newline included; what only takes writes (bind, unbind, ...) is an empty file.
 * All functions return 0 or a negative errno; -EEXIST and -ENOENT where the thing is there already or is not. */

#include "base/macro.h"
#include "base/pci-address.h"

#define TREEGEN_NO_GROUP UINT32_MAX

/* A tree in a directory of its own below $TMPDIR, else /dev/shm (thousands of small files), else /tmp; removed with
 * everything in it by treegen_free(). */
typedef struct TreeGen {
        char *path;
        int fd; /* the root directory, O_PATH */
} TreeGen;

int treegen_new(TreeGen **ret);
TreeGen *treegen_free(TreeGen *tree);
DEFINE_CLEANUP(TreeGen *, treegen_free)

/* Makes the directories every kernel with PCI and IOMMU support has, in the existing directory `root_fd`. Part of treegen_new(). */
int treegen_prepare(int root_fd);

/* One PCI function. Zeroed fields are what an uninteresting function has, apart from `address` and `group`. */
typedef struct TreeDevice {
        const char *address; /* "0000:02:00.0" */
        const char *parent;  /* the address of the bridge above it; NULL: on the root bus of its domain */
        uint16_t vendor, device, subsystem_vendor, subsystem_device;
        uint32_t class; /* 24 bits */
        uint8_t revision;
        uint32_t group;            /* made if it is not there; TREEGEN_NO_GROUP: none */
        const char *driver;        /* made if it is not there; NULL: none */
        const char *override;      /* NULL: none */
        const char *reset_methods; /* NULL: no such attribute */
        int numa_node;
        uint8_t secondary_bus; /* not 0: a bridge header, the bus behind it */
        uint16_t total_vfs;    /* not 0: a PF */
        const char *physfn;    /* the address of its PF: a VF, linked as the PF's next virtfnN; NULL: none */
} TreeDevice;

/* Everything is in place before the device appears in bus/pci/devices, as in the kernel (drivers/base/core.c, device_add). */
int treegen_add_device(int root_fd, const TreeDevice *device);

/* Takes it away in the kernel's order: driver, bus/pci/devices, attributes, group (which goes with its last member), itself. */
int treegen_remove_device(int root_fd, const char *address);

int treegen_add_driver(int root_fd, const char *name);

/* Sets the links between device and driver, as a finished probe or remove leaves them. bind: -EBUSY with a driver bound,
 * -ENODEV without such a driver. unbind: -ENODEV if it is not on that driver. Neither judges whether driver and device match. */
int treegen_bind(int root_fd, const char *address, const char *driver);
int treegen_unbind(int root_fd, const char *address, const char *driver);

/* NULL or "" clears it ("(null)"). */
int treegen_set_override(int root_fd, const char *address, const char *driver);

/* A group of the default type "DMA-FQ" with the usual MSI window among its reserved regions. */
int treegen_add_group(int root_fd, uint32_t number);

/* A member that is no PCI function, named `name` on bus `subsystem` (NULL: a device without one), `driver` NULL: none. */
int treegen_add_other(int root_fd, uint32_t group, const char *name, const char *subsystem, const char *driver);

/* An IOMMU in use, as "dmar0". */
int treegen_add_iommu(int root_fd, const char *name);

/* Gives the device a vfio-dev child with number `n`, as a VFIO driver's probe does; with `cdev`, with a character device. */
int treegen_add_vfio_dev(int root_fd, const char *address, unsigned n, bool cdev);
int treegen_remove_vfio_dev(int root_fd, const char *address);

/* Replaces the file of a device or group, or adds one. `text` goes in as it is: give it its newline. */
int treegen_set_attribute(int root_fd, const char *address, const char *attribute, const char *text);
int treegen_set_group_attribute(int root_fd, uint32_t group, const char *attribute, const char *text);

/* Opens a device's own directory (O_PATH), for edits that no kernel would make. */
int treegen_open_device(int root_fd, const char *address);

/* Removes what `path` below `root_fd` is, with everything below it. */
int treegen_remove_path(int root_fd, const char *path);

/* Whole hosts (treegen-hosts.c).
 *
 * lab: every shape that matters, as the lab's virtual machine has it: a group of one, one group of two functions, one behind
 * a PCIe-to-PCI bridge, an NVMe PF with two VFs, a group with its port, a switch, a chipset group, an empty port. */
int treegen_make_lab(int root_fd);

/* big: `n_devices` functions (bridges included) in `n_groups` groups of as equal a size as can be, bound and unbound, spread
 * over domains. -EINVAL: fewer devices than groups, or more than 256 a group. */
int treegen_make_big(int root_fd, unsigned n_devices, unsigned n_groups);
