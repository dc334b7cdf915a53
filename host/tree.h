/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Reads PCI devices and IOMMU groups from sysfs, always below one root directory fd (a test passes a tree of its own).
 *
 * What is read never blocks: `config`, `uevent` and `sriov_numvfs` are not touched (their show functions take the device
 * lock or resume the device), and `driver_override`, whose show takes the device lock on kernels before 6.12
 * (drivers/pci/pci-sysfs.c, driver_override_show), only where the caller says that the device is not changing drivers.
 *
 * Odd trees are normal: devices that vanish between two reads are left out, attributes that are missing are absent facts,
 * attributes that exist and cannot be read are kept as `read_error`, directory entries that are no PCI address are passed over. */

#include "policy/facts.h"

/* Opens the root ("/sys" or a test's tree). Returns an O_PATH directory fd or a negative errno. */
int tree_open(const char *path);

/* Reads everything into an empty Facts, sorted and linked. No bus/pci/devices or no kernel/iommu_groups directory means there
 * is none. `known` (may be NULL) are facts of before: a device for which `is_changing(address, userdata)` (may be NULL) holds gets
 * the driver_override known from there, or none, instead of reading it. Returns 0, -ENOMEM, or an unexpected errno of a directory itself. */
typedef bool (*tree_is_changing_t)(const PciAddress *address, void *userdata);
int tree_read(int root_fd, const Facts *known, tree_is_changing_t is_changing, void *userdata, Facts *ret);

/* Reads one device afresh, whole or not at all if it is being removed. One that is being added may lack its group until its
 * "add" uevent, and a VF its PF until the PF's "change" (drivers/base/core.c, device_add; drivers/pci/iov.c, sriov_enable).
 * -ENOENT or -ENODEV: it is gone. With `changing`, driver_override is copied from `known` (may be NULL). */
int tree_read_device(int root_fd, const PciAddress *address, const Device *known, bool changing, Device **ret);

/* Reads one group afresh (its `devices` stay empty until facts_link()). -ENOENT: it is gone. */
int tree_read_group(int root_fd, uint32_t number, Group **ret);

/* Whether the PCI driver is registered: 1, 0 or a negative errno. */
int tree_has_driver(int root_fd, const char *driver);

/* The number of IOMMUs the kernel uses (entries of class/iommu), or a negative errno. 0: no IOMMU is active. */
int tree_count_iommus(int root_fd);

/* Whether the device has a VFIO character device that iommufd can use (ADDRESS/vfio-dev/vfioX/dev): 1, 0, negative errno. */
int tree_device_has_cdev(int root_fd, const PciAddress *address);
