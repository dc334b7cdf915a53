/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* VFIO's nodes as the real kernel opens them, on both backends (host/kernel.h): everything is opened O_CLOEXEC below
 * kernel->dev_fd. Each returns the fd, which the caller owns, or a negative errno. */

#include <sys/types.h>

#include "host/kernel.h"

/* A fresh /dev/iommu whose pinned memory is accounted to the process that maps it, not to its user, so that guests under
 * one uid do not share one RLIMIT_MEMLOCK (drivers/iommu/iommufd/ioas.c, iommufd_option_rlimit_mode: -EPERM without
 * CAP_SYS_RESOURCE; it must be the first thing done). -ENOENT: a kernel without iommufd. */
int kernel_vfio_open_iommufd(Kernel *kernel);

/* The device's node below /dev/vfio/devices, not bound to an iommufd: who receives it does that, and can do it once
 * (drivers/vfio/device_cdev.c). -ENOENT: the device is not on a VFIO driver, or the kernel has no such nodes.
 * -ESTALE: the node is not the one that sysfs tells of. */
int kernel_vfio_open_cdev(Kernel *kernel, const PciAddress *address);

/* The device number of that node. -ENOENT: as above. */
int kernel_vfio_read_cdev_number(Kernel *kernel, const PciAddress *address, dev_t *ret);

/* That node's name, "vfioX", and its device number. -ENOENT: as above. */
#define KERNEL_CDEV_NAME_MAX sizeof("vfio4294967295")
int kernel_vfio_find_cdev(Kernel *kernel, const PciAddress *address, char ret_name[static KERNEL_CDEV_NAME_MAX], dev_t *ret_number);

/* Reads a `dev` attribute, "511:3". -ENOENT: no such file; -EBADMSG: it says something else. */
int kernel_vfio_read_number(Kernel *kernel, const char *path, dev_t *ret);

/* A fresh /dev/vfio/vfio. */
int kernel_vfio_open_container(Kernel *kernel);

/* /dev/vfio/GROUP, put into the container, which claims the group: -EPERM while a host driver has a member, -EBUSY while
 * somebody else has the node open (drivers/vfio/group.c). With `set_iommu_type` the container becomes a type 1 v2 one. */
int kernel_vfio_open_group(Kernel *kernel, uint32_t group, int container_fd, bool set_iommu_type);

/* The device's fd from its group. -ENODEV: it is not in it. */
int kernel_vfio_open_device(Kernel *kernel, int group_fd, const PciAddress *address);
