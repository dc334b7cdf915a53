/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Whether anything keeps the kernel from giving a group to one owner. State (owned, busy, ...) is not viability. */

#include "policy/blocker.h"

/* Whether a driver may sit on a member of a group that user space owns: the VFIO family, pci-stub and pcieport set
 * driver_managed_dma (drivers/iommu/iommu.c, iommu_device_use_default_domain is skipped for them). */
bool driver_is_exempt(const char *driver);

/* Whether `driver` is a VFIO driver for PCI functions: vfio-pci, or a variant driver (named *-vfio-pci or *_vfio_pci). */
bool driver_is_vfio(const char *driver);

/* Appends to `blockers` everything that makes `group` not viable, as the kernel would see it after its endpoints were
 * moved to a VFIO driver:
 *   no-iommu           the group is a fake one without an IOMMU behind it
 *   not-endpoint       it has no endpoint, or a member whose identity cannot be read
 *   host-driver-stays  a bridge or non-PCI member on a driver that is not exempt, or a chipset function (see
 *                      device_is_chipset) on a host driver
 *   has-vfs            a physical function with enabled VFs
 *   direct-mapping     a `direct` reserved region (kernel: require_direct, drivers/iommu/iommu.c, __iommu_device_set_domain)
 * Returns 0 or -ENOMEM. */
int viability_check(const Group *group, BlockerList *blockers);

/* Functions that are the machine's own and cannot leave their driver though their header says endpoint: memory
 * controllers (base class 05), generic system peripherals (08, other than 0805 SD host controllers) and SMBus (0c05) on a
 * root bus beside an ISA or host bridge of the same group. */
bool device_is_chipset(const Group *group, const Device *device);
