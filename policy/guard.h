/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What the host would lose with a device, and what it would be exposed to: blockers that an administrator can go past. */

#include "policy/blocker.h"
#include "policy/host-facts.h"
#include "policy/rules.h"
#include "policy/use.h"

/* Appends a blocker for each use of a member of `group`:
 *   in-use-mount         a file system is mounted from a disk of it
 *   in-use-swap          the host swaps to a disk of it
 *   in-use-block-holder  a volume, array, loop device or pool is made of a disk of it
 *   in-use-network       an interface of it has an address or route, is a port, or carries another
 *   in-use-console       the host's console, or the firmware's display
 *   has-children         mediated, vDPA or DSA devices were made of it
 * A use that could not be found out is one. All are overridable. Returns 0 or -ENOMEM. */
int guard_check_uses(const Group *group, const UseList *uses, BlockerList *blockers);

/* Appends what the host's IOMMU leaves open for `group`:
 *   identity-domain      its default domain translates nothing, so the device reaches all memory from its binding to a VFIO driver
 *                        until its owner attaches it, and again after (drivers/iommu/iommu.c, __iommu_take_dma_ownership);
 *                        overridable
 *   unsafe-interrupts    no interrupt remapping: the kernel refuses the owner (drivers/vfio/vfio_iommu_type1.c,
 *                        vfio_iommu_type1_attach_group; drivers/iommu/iommufd/device.c, iommufd_device_bind: EPERM), unless
 *                        allow_unsafe_interrupts is set for the backend, when it is overridable
 * Returns 0 or -ENOMEM. */
int guard_check_exposure(const Group *group, const HostFacts *host, BlockerList *blockers);

/* Appends no-reset if `device` is an endpoint that the kernel has no way to reset, so that an owner finds what the last one left in it.
 * `demand` is what of the policy asks for a reset (NULL: the daemon was told to ask for it of every device). Overridable. Returns 0 or -ENOMEM. */
int guard_check_reset(const Device *device, const PolicyDemand *demand, BlockerList *blockers);
