/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Drivers and overrides of devices as sysfs takes them: the real kernel's first three KernelOps (host/kernel.h). All paths
 * are below kernel->sysfs_fd. `found` ("" is none) is read after the write and filled only on success. */

#include "host/kernel.h"

/* Writes ADDRESS/driver_override. -ENOENT: no such device. A clear is "\n": a write of no bytes does not reach the driver
 * core (fs/kernfs/file.c; drivers/base/driver.c, driver_set_override). An unset override reads "(null)". */
int kernel_sysfs_set_override(Kernel *kernel, const PciAddress *address, const char *driver, char found[static WORKER_NAME_MAX]);

/* Writes drivers/DRIVER/unbind and returns when the driver's remove() has returned. -ENOENT: no such driver, or one that
 * suppresses bind attributes. -ENODEV: the device is not on it (drivers/base/bus.c, unbind_store). */
int kernel_sysfs_unbind(Kernel *kernel, const PciAddress *address, const char *driver, char found[static WORKER_NAME_MAX]);

/* Writes drivers/DRIVER/bind. -ENOENT as above; -ENODEV: no such device, or the driver does not match it; -EBUSY: it has a
 * driver already, or an owner holds its group; -EAGAIN: deferred; else what the driver's probe() says (drivers/base/bus.c,
 * bind_store; drivers/base/dd.c, device_driver_attach). */
int kernel_sysfs_bind(Kernel *kernel, const PciAddress *address, const char *driver, char found[static WORKER_NAME_MAX]);
