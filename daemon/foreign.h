/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Other managers of devices on this host, as far as they leave something to know them by. */

#include "daemon/manager.h"

typedef enum ForeignManager {
        FOREIGN_NONE,
        FOREIGN_DRIVERCTL, /* its file /etc/driverctl.d/pci-ADDRESS sets the device's driver_override at every "add" */
        FOREIGN_LIBVIRT,   /* a libvirt daemon runs that gives away PCI devices: libvirtd or virtqemud */
        _FOREIGN_MANAGER_MAX,
} ForeignManager;

/* "driverctl", "libvirt"; NULL for FOREIGN_NONE. */
const char *foreign_manager_to_string(ForeignManager manager);

/* Whose doing a change of the device's driver or override that assignd did not make most likely is. */
ForeignManager foreign_manager_of(const Manager *manager, const PciAddress *address);

/* Appends foreign-manager (which can be overridden) for each endpoint that driverctl has a file for, or that is on a VFIO driver while
 * nobody has it of us and libvirt runs. */
int foreign_check_group(const Manager *manager, const Group *group, BlockerList *blockers);
