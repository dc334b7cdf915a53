/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The worker's kernel: each call leaves its traces and suffers what a test wants it to. */

#include <string.h>

#include "base/strutil.h"
#include "tests/simk/simk-internal.h"

static int read_found(Kernel *kernel, const PciAddress *address, char found[static WORKER_NAME_MAX]) {
        _cleanup_free_ char *driver = NULL;
        int r = simk_read_driver(kernel->sysfs_fd, address, &driver);

        if (r >= 0)
                (void) snprintf(found, WORKER_NAME_MAX, "%s", driver ?: "");
        return r;
}

static int set_override(Kernel *kernel, const PciAddress *address, const char *driver, char found[static WORKER_NAME_MAX]) {
        SimkFault fault;
        char text[WORKER_NAME_MAX + 1];
        int r = simk_begin(kernel->sysfs_fd, SIMK_SET_OVERRIDE, address, driver, &fault);

        if (r < 0)
                return r;
        simk_wait_hang(fault.hang_fd);
        r = fault.error ?: simk_set_override(kernel->sysfs_fd, address, driver);
        if (r == 0)
                r = (int) attribute_read_at(kernel->sysfs_fd, SIMK_DEVICE(address, "driver_override"), text, sizeof(text));
        if (r >= 0)
                (void) snprintf(found, WORKER_NAME_MAX, "%.*s", (int) WORKER_NAME_MAX - 1, string_equal(text, "(null)") ? "" : text);
        return simk_end(kernel->sysfs_fd, SIMK_SET_OVERRIDE, address, driver, &fault, r < 0 ? r : 0);
}

static int unbind_device(Kernel *kernel, const PciAddress *address, const char *driver, char found[static WORKER_NAME_MAX]) {
        SimkFault fault;
        int r = simk_begin(kernel->sysfs_fd, SIMK_UNBIND, address, driver, &fault);

        if (r < 0)
                return r;
        r = fault.error ?: simk_do_unbind(kernel->sysfs_fd, address, driver, fault.hang_fd);
        if (r == 0)
                r = read_found(kernel, address, found);
        return simk_end(kernel->sysfs_fd, SIMK_UNBIND, address, driver, &fault, r);
}

static int bind_device(Kernel *kernel, const PciAddress *address, const char *driver, char found[static WORKER_NAME_MAX]) {
        SimkFault fault;
        int r = simk_begin(kernel->sysfs_fd, SIMK_BIND, address, driver, &fault);

        if (r < 0)
                return r;
        r = fault.error ?: simk_do_bind(kernel->sysfs_fd, address, driver, fault.hang_fd);
        if (r == 0)
                r = read_found(kernel, address, found);
        else if (r == -EBUSY)
                (void) read_found(kernel, address, found);
        return simk_end(kernel->sysfs_fd, SIMK_BIND, address, driver, &fault, r);
}

static int open_iommufd(Kernel *kernel) {
        SimkFault fault;
        int r = simk_begin(kernel->sysfs_fd, SIMK_OPEN_IOMMUFD, NULL, NULL, &fault);

        if (r < 0)
                return r;
        simk_wait_hang(fault.hang_fd);
        return simk_end(kernel->sysfs_fd, SIMK_OPEN_IOMMUFD, NULL, NULL, &fault, fault.error ?: simk_open_iommufd(kernel));
}

static int open_cdev(Kernel *kernel, const PciAddress *address) {
        SimkFault fault;
        int r = simk_begin(kernel->sysfs_fd, SIMK_OPEN_CDEV, address, NULL, &fault);

        if (r < 0)
                return r;
        simk_wait_hang(fault.hang_fd);
        return simk_end(kernel->sysfs_fd, SIMK_OPEN_CDEV, address, NULL, &fault, fault.error ?: simk_open_cdev(kernel, address));
}

static int open_container(Kernel *kernel) {
        SimkFault fault;
        int r = simk_begin(kernel->sysfs_fd, SIMK_OPEN_CONTAINER, NULL, NULL, &fault);

        if (r < 0)
                return r;
        simk_wait_hang(fault.hang_fd);
        return simk_end(kernel->sysfs_fd, SIMK_OPEN_CONTAINER, NULL, NULL, &fault, fault.error ?: simk_open_container(kernel));
}

static int open_group(Kernel *kernel, uint32_t group, int container_fd, bool set_iommu_type) {
        const char *what = SIMK_PATH("group:%u%s", group, set_iommu_type ? "+type" : "");
        SimkFault fault;
        int r = simk_begin(kernel->sysfs_fd, SIMK_OPEN_GROUP, NULL, what, &fault);

        if (r < 0)
                return r;
        simk_wait_hang(fault.hang_fd);
        r = fault.error ?: simk_open_group(kernel, group, container_fd, set_iommu_type);
        return simk_end(kernel->sysfs_fd, SIMK_OPEN_GROUP, NULL, what, &fault, r);
}

static int open_device(Kernel *kernel, int group_fd, const PciAddress *address) {
        SimkFault fault;
        int r = simk_begin(kernel->sysfs_fd, SIMK_OPEN_DEVICE, address, NULL, &fault);

        if (r < 0)
                return r;
        simk_wait_hang(fault.hang_fd);
        return simk_end(kernel->sysfs_fd, SIMK_OPEN_DEVICE, address, NULL, &fault, fault.error ?: simk_open_device(kernel, group_fd, address));
}

static int check_holders(Kernel *kernel, uint32_t group, HolderList *ret) {
        const char *what = SIMK_PATH("group:%u", group);
        SimkFault fault;
        int r = simk_begin(kernel->sysfs_fd, SIMK_CHECK_HOLDERS, NULL, what, &fault);

        if (r < 0)
                return r;
        simk_wait_hang(fault.hang_fd);
        r = fault.error ?: simk_check_holders(kernel, group, ret);
        return simk_end(kernel->sysfs_fd, SIMK_CHECK_HOLDERS, NULL, what, &fault, r);
}

static int set_device_node(Kernel *kernel, const PciAddress *address, const NodeAccess *access) {
        const char *what = NODE_ACCESS_FORMAT(access);
        SimkFault fault;
        int r = simk_begin(kernel->sysfs_fd, SIMK_SET_DEVICE_NODE, address, what, &fault);

        if (r < 0)
                return r;
        simk_wait_hang(fault.hang_fd);
        r = fault.error ?: simk_set_node(kernel->sysfs_fd, address, 0, access);
        return simk_end(kernel->sysfs_fd, SIMK_SET_DEVICE_NODE, address, what, &fault, r);
}

static int set_group_node(Kernel *kernel, uint32_t group, const NodeAccess *access) {
        const char *what = SIMK_PATH("group:%u %.200s", group, NODE_ACCESS_FORMAT(access));
        SimkFault fault;
        int r = simk_begin(kernel->sysfs_fd, SIMK_SET_GROUP_NODE, NULL, what, &fault);

        if (r < 0)
                return r;
        simk_wait_hang(fault.hang_fd);
        r = fault.error ?: simk_set_node(kernel->sysfs_fd, NULL, group, access);
        return simk_end(kernel->sysfs_fd, SIMK_SET_GROUP_NODE, NULL, what, &fault, r);
}

const KernelOps simk_ops = {
        .set_override = set_override,
        .unbind = unbind_device,
        .bind = bind_device,
        .open_iommufd = open_iommufd,
        .open_cdev = open_cdev,
        .open_container = open_container,
        .open_group = open_group,
        .open_device = open_device,
        .check_holders = check_holders,
        .set_device_node = set_device_node,
        .set_group_node = set_group_node,
};
