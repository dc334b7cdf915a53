/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "host/kernel-holders.h"
#include "host/kernel-node.h"
#include "host/kernel-sysfs.h"
#include "host/kernel-vfio.h"

const KernelOps kernel_ops = {
        .set_override = kernel_sysfs_set_override,
        .unbind = kernel_sysfs_unbind,
        .bind = kernel_sysfs_bind,
        .open_iommufd = kernel_vfio_open_iommufd,
        .open_cdev = kernel_vfio_open_cdev,
        .open_container = kernel_vfio_open_container,
        .open_group = kernel_vfio_open_group,
        .open_device = kernel_vfio_open_device,
        .check_holders = kernel_check_holders,
        .set_device_node = kernel_node_set_device,
        .set_group_node = kernel_node_set_group,
};
