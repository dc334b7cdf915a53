/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/strutil.h"
#include "daemon/manager.h"
#include "policy/viability.h"

/* The rest of the sentence about a device that somebody has; NULL: nobody has it. The caller frees *ret. */
static int describe_holder(const Manager *manager, uint32_t group, char **ret) {
        const Assignment *assignment = assignment_table_find_group(&manager->assignments, group);

        *ret = NULL;
        if (assignment)
                return asprintf(ret, "assigned to %s", assignment->owner) < 0 ? -ENOMEM : 0;
        return reservation_table_find_group(&manager->reservations, group) ? string_copy("reserved", ret) : 0;
}

static bool is_held(const Manager *manager, uint32_t group) {
        return assignment_table_find_group(&manager->assignments, group) || reservation_table_find_group(&manager->reservations, group);
}

/* Leaving vfio-pci turns them off (drivers/vfio/pci/vfio_pci_core.c, vfio_pci_core_unregister_device), and waits for whoever has one open. */
static bool vf_may_be_used(const Manager *manager, const PciAddress *address) {
        const Device *vf = facts_find_device(manager_facts(manager), address);

        return vf && (driver_is_vfio(vf->driver) || (vf->group != GROUP_NONE && is_held(manager, vf->group)));
}

int manager_check_vfs_unused(const Manager *manager, const RecordList *records, BlockerList *blockers) {
        for (size_t i = 0; i < records->n_items; i++) {
                const Device *device = facts_find_device(manager_facts(manager), &records->items[i].address);

                for (size_t k = 0; device && k < device->n_vfs; k++) {
                        int r;

                        if (!vf_may_be_used(manager, &device->vfs[k]))
                                continue;
                        r = blocker_list_add(blockers, BLOCKER_HAS_VFS, device->group, PCI_ADDRESS_FORMAT(&device->address), false,
                                             "Leaving its driver would turn off the virtual function %s of %s, which somebody may use: turn it off first",
                                             PCI_ADDRESS_FORMAT(&device->vfs[k]), PCI_ADDRESS_FORMAT(&device->address));
                        if (r < 0)
                                return r;
                }
        }
        return 0;
}

int manager_check_sriov(const Manager *manager, const Group *group, BlockerList *blockers) {
        for (size_t i = 0; i < group->n_devices; i++) {
                const Device *device = group->devices[i];
                const Device *physfn = device->is_vf ? facts_find_device(manager_facts(manager), &device->physfn) : NULL;
                _cleanup_free_ char *holder = NULL;
                int r;

                if (!physfn || physfn->group == GROUP_NONE || physfn->group == group->number)
                        continue;
                r = describe_holder(manager, physfn->group, &holder);
                if (r < 0)
                        return r;
                if (!holder)
                        continue;
                r = blocker_list_add(blockers, BLOCKER_VF_OF_LOCKED_PF, group->number, PCI_ADDRESS_FORMAT(&device->address), false,
                                     "%s is a virtual function of %s, which is %s and decides what becomes of it",
                                     PCI_ADDRESS_FORMAT(&device->address), PCI_ADDRESS_FORMAT(&physfn->address), holder);
                if (r < 0)
                        return r;
        }
        return 0;
}
