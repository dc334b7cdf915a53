/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/foreign.h"

#include <fcntl.h>

#include "base/io.h"
#include "base/strutil.h"
#include "policy/viability.h"

#define DRIVER_TEXT_MAX 64U

static const char *const foreign_manager_table[_FOREIGN_MANAGER_MAX] = {
        [FOREIGN_DRIVERCTL] = "driverctl",
        [FOREIGN_LIBVIRT] = "libvirt",
};

const char *foreign_manager_to_string(ForeignManager manager) {
        return manager > FOREIGN_NONE && manager < _FOREIGN_MANAGER_MAX ? foreign_manager_table[manager] : NULL;
}

/* The driver that driverctl's file names, escaped; false: it has no file for the device. */
static bool driverctl_wants(const Manager *manager, const PciAddress *address, char driver[static DRIVER_TEXT_MAX]) {
        _cleanup_close_ int directory = RET_NERRNO(open(manager->config->driverctl_path, O_PATH | O_DIRECTORY | O_CLOEXEC));
        char name[sizeof("pci-") + PCI_ADDRESS_STRING_MAX], text[DRIVER_TEXT_MAX];

        (void) snprintf(name, sizeof(name), "pci-%s", PCI_ADDRESS_FORMAT(address));
        if (directory < 0 || exists_at(directory, name) <= 0)
                return false;
        if (attribute_read_at(directory, name, text, sizeof(text)) < 0)
                text[0] = '\0';
        (void) string_escape_to(text, /* escape_backslash= */ true, driver, DRIVER_TEXT_MAX);
        return true;
}

/* The pid of a pid file that a process of that name still has (`comm` is cut at 15 bytes, longer than both names). */
static bool daemon_runs(const Manager *manager, const char *pid_file, const char *name) {
        _cleanup_close_ int run = RET_NERRNO(open(manager->config->run_path, O_PATH | O_DIRECTORY | O_CLOEXEC));
        _cleanup_close_ int proc = RET_NERRNO(open(manager->config->proc_path, O_PATH | O_DIRECTORY | O_CLOEXEC));
        char text[32], path[64], comm[32];
        uint32_t pid;

        if (run < 0 || proc < 0 || attribute_read_at(run, pid_file, text, sizeof(text)) < 0 || parse_u32(text, 10, &pid) < 0)
                return false;
        (void) snprintf(path, sizeof(path), "%" PRIu32 "/comm", pid);
        return attribute_read_at(proc, path, comm, sizeof(comm)) >= 0 && string_equal(comm, name);
}

static bool libvirt_runs(const Manager *manager) {
        return daemon_runs(manager, "libvirtd.pid", "libvirtd") || daemon_runs(manager, "virtqemud.pid", "virtqemud");
}

ForeignManager foreign_manager_of(const Manager *manager, const PciAddress *address) {
        char driver[DRIVER_TEXT_MAX];

        if (driverctl_wants(manager, address, driver))
                return FOREIGN_DRIVERCTL;
        return libvirt_runs(manager) ? FOREIGN_LIBVIRT : FOREIGN_NONE;
}

static int check_device(const Manager *manager, const Device *device, BlockerList *blockers) {
        const char *name = PCI_ADDRESS_FORMAT(&device->address);
        char driver[DRIVER_TEXT_MAX];

        if (driverctl_wants(manager, &device->address, driver))
                return blocker_list_add(blockers, BLOCKER_FOREIGN_MANAGER, device->group, name, true,
                                        "driverctl keeps %s on the driver '%s' (%s/pci-%s): take that away with \"driverctl unset-override %s\", or "
                                        "override", name, driver, manager->config->driverctl_path, name, name);
        if (driver_is_vfio(device->driver) && libvirt_runs(manager))
                return blocker_list_add(blockers, BLOCKER_FOREIGN_MANAGER, device->group, name, true,
                                        "%s is on %s, not by assignd, and libvirt runs on this host: one of its machines may have it", name,
                                        device->driver);
        return 0;
}

int foreign_check_group(const Manager *manager, const Group *group, BlockerList *blockers) {
        if (assignment_table_find_group(&manager->assignments, group->number))
                return 0; /* what its devices are on is our doing */
        for (size_t i = 0; i < group->n_devices; i++) {
                int r;

                if (group->devices[i]->role != ROLE_ENDPOINT)
                        continue;
                r = check_device(manager, group->devices[i], blockers);
                if (r < 0)
                        return r;
        }
        return 0;
}
