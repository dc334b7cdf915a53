/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "host/kernel-sysfs.h"

#include <string.h>

#include "base/io.h"
#include "base/strutil.h"

#define DEVICE_PATH_MAX (sizeof("bus/pci/devices/") + PCI_ADDRESS_STRING_MAX + sizeof("/driver_override"))
#define DRIVER_PATH_MAX (sizeof("bus/pci/drivers/") + WORKER_NAME_MAX + sizeof("/unbind"))

static const char *device_path(const PciAddress *address, const char *attribute, char buffer[static DEVICE_PATH_MAX]) {
        (void) snprintf(buffer, DEVICE_PATH_MAX, "bus/pci/devices/%s/%s", PCI_ADDRESS_FORMAT(address), attribute);
        return buffer;
}

static int read_override(Kernel *kernel, const char *path, char found[static WORKER_NAME_MAX]) {
        char value[WORKER_NAME_MAX + 1]; /* and the newline */
        ssize_t n;

        n = attribute_read_at(kernel->sysfs_fd, path, value, sizeof(value));
        if (n < 0)
                return (int) n;
        if (n >= (ssize_t) WORKER_NAME_MAX)
                return -E2BIG;

        /* drivers/pci/pci-sysfs.c, driver_override_show: printf() of NULL. */
        memset(found, 0, WORKER_NAME_MAX);
        if (!string_equal(value, "(null)"))
                memcpy(found, value, (size_t) n);
        return 0;
}

static int read_driver(Kernel *kernel, const PciAddress *address, char found[static WORKER_NAME_MAX]) {
        _cleanup_free_ char *driver = NULL;
        char path[DEVICE_PATH_MAX];
        int r;

        r = link_basename_at(kernel->sysfs_fd, device_path(address, "driver", path), &driver);
        if (r < 0 && r != -ENOENT)
                return r;
        if (driver && strlen(driver) >= WORKER_NAME_MAX)
                return -ENAMETOOLONG;

        memset(found, 0, WORKER_NAME_MAX);
        if (driver)
                memcpy(found, driver, strlen(driver));
        return 0;
}

static int write_driver_attribute(Kernel *kernel, const char *driver, const char *attribute, const PciAddress *address) {
        char path[DRIVER_PATH_MAX];
        int n;

        n = snprintf(path, sizeof(path), "bus/pci/drivers/%s/%s", driver, attribute);
        if (n < 0 || (size_t) n >= sizeof(path))
                return -ENAMETOOLONG;

        return attribute_write_at(kernel->sysfs_fd, path, PCI_ADDRESS_FORMAT(address));
}

int kernel_sysfs_set_override(Kernel *kernel, const PciAddress *address, const char *driver, char found[static WORKER_NAME_MAX]) {
        char path[DEVICE_PATH_MAX];
        int r;

        r = attribute_write_at(kernel->sysfs_fd, device_path(address, "driver_override", path), driver ?: "\n");
        if (r < 0)
                return r;

        return read_override(kernel, path, found);
}

int kernel_sysfs_unbind(Kernel *kernel, const PciAddress *address, const char *driver, char found[static WORKER_NAME_MAX]) {
        int r;

        r = write_driver_attribute(kernel, driver, "unbind", address);
        if (r < 0)
                return r;

        return read_driver(kernel, address, found);
}

int kernel_sysfs_bind(Kernel *kernel, const PciAddress *address, const char *driver, char found[static WORKER_NAME_MAX]) {
        int bound, r;

        bound = write_driver_attribute(kernel, driver, "bind", address);
        if (bound < 0 && bound != -EBUSY)
                return bound;

        r = read_driver(kernel, address, found);
        return bound < 0 ? bound : r;
}
