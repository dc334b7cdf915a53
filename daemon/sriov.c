/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/manager.h"

static const char *holder_of(const Manager *manager, uint32_t group) {
        const Assignment *assignment = assignment_table_find_group(&manager->assignments, group);

        return assignment ? assignment->owner : NULL;
}

int manager_check_sriov(const Manager *manager, const Group *group, BlockerList *blockers) {
        for (size_t i = 0; i < group->n_devices; i++) {
                const Device *device = group->devices[i];
                const Device *physfn = device->is_vf ? facts_find_device(manager_facts(manager), &device->physfn) : NULL;
                const char *owner;
                int r;

                if (!physfn || physfn->group == GROUP_NONE || physfn->group == group->number)
                        continue;
                owner = holder_of(manager, physfn->group);
                if (!owner)
                        continue;
                r = blocker_list_add(blockers, BLOCKER_VF_OF_LOCKED_PF, group->number, PCI_ADDRESS_FORMAT(&device->address), false,
                                     "%s is a virtual function of %s, which is assigned to %s and decides what becomes of it",
                                     PCI_ADDRESS_FORMAT(&device->address), PCI_ADDRESS_FORMAT(&physfn->address), owner);
                if (r < 0)
                        return r;
        }
        return 0;
}
