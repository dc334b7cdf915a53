/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/guard.h"

#include "base/log.h"
#include "base/strutil.h"
#include "daemon/audit.h"
#include "daemon/records.h"
#include "daemon/recover.h"
#include "policy/viability.h"

static bool keeps_a_member(const Manager *manager, const Keeper *keeper, const Device *device) {
        const Group *group = facts_find_group(manager_facts(manager), device->group);

        for (size_t i = 0; group && i < group->n_devices; i++) {
                const DeviceRecord *record = record_list_find(keeper->records, &group->devices[i]->address);

                if (record && record->group == group->number && pci_identity_equal(&record->identity, &group->devices[i]->identity))
                        return true;
        }
        return false;
}

bool guard_is_needed(const Manager *manager, const Device *device) {
        const DeviceRecord *record;
        Keeper keeper;

        if (device->role != ROLE_ENDPOINT || device->group == GROUP_NONE || device->read_error < 0 ||
            (device->driver && !driver_is_exempt(device->driver)))
                return false;
        if (!keeper_find_group(manager, device->group, &keeper) || !keeps_a_member(manager, &keeper, device))
                return false;
        record = record_list_find(keeper.records, &device->address);
        return !record || pci_identity_equal(&record->identity, &device->identity);
}

static int guard_journal_begin(Operation *operation, void *userdata) {
        Manager *manager = userdata;
        Keeper keeper;

        if (!keeper_find_group(manager, operation->groups[0], &keeper))
                return -ENOENT;
        operation->assignment = keeper.assignment;
        return keeper_journal_new_records(manager->db, &keeper);
}

static void guard_settled(Operation *operation, void *userdata) {
        Manager *manager = userdata;
        int r;

        r = inventory_refresh_device(&manager->inventory, &operation->plan.steps[0].address);
        if (r < 0)
                log_warning_errno(r, "Failed to look at %s afresh: %m", PCI_ADDRESS_FORMAT(&operation->plan.steps[0].address));
}

static int guard_journal_end(Operation *operation, void *userdata) {
        Manager *manager = userdata;

        return audit_operation(manager->db, operation, operation->request.targets);
}

static void guard_ended(Operation *operation, void *userdata) {
        manager_operation_ended(userdata, operation);
}

static void guard_changed(Operation *operation, bool stuck_changed, void *userdata) {
        manager_operation_changed(userdata, operation, stuck_changed);
}

static const OperationOwner guard_owner = {
        .journal_begin = guard_journal_begin,
        .settled = guard_settled,
        .journal_end = guard_journal_end,
        .ended = guard_ended,
        .changed = guard_changed,
};

/* The override even where it is there already, as before every first bind; not bound where a driver (an exempt one) is. */
static int plan_guard(const DeviceRecord *now, Plan *ret) {
        const RecordList one = { .items = (DeviceRecord *) now, .n_items = 1 };

        return plan_assign(&one, NULL, ret);
}

static int make_operation(Manager *manager, const Keeper *keeper, const Device *device, const DeviceRecord *now, Operation **ret) {
        _cleanup_(operation_freep) Operation *operation = NULL;
        _cleanup_(request_done) Request request = { .verb = VERB_GUARD };
        _cleanup_(plan_done) Plan plan = {};
        int r;

        r = string_copy(keeper->name, &request.owner);
        if (r >= 0)
                r = strv_append(&request.targets, PCI_ADDRESS_FORMAT(&device->address));
        if (r >= 0)
                r = plan_guard(now, &plan);
        if (r >= 0)
                r = operation_new(&manager->context, &guard_owner, manager, &request, &operation);
        if (r >= 0)
                r = operation_set_groups(operation, &device->group, 1);
        if (r >= 0)
                r = operation_set_plan(operation, &plan);
        if (r < 0)
                return r;
        operation->keep_going = true;
        *ret = TAKE_PTR(operation);
        return 0;
}

/* Returns 0, -EBUSY, or another negative errno. */
static int submit(Manager *manager, Operation **operation) {
        _cleanup_(refusal_done) Refusal refusal = {};
        Operation *begun;
        int r;

        r = manager_submit(manager, operation, &refusal, &begun);
        if (r < 0)
                return r;
        if (refusal.code == REFUSAL_NONE)
                return 0;
        log_warning("A device that joined a held group is not guarded yet: %s", refusal.message ?: "no memory");
        return refusal.code == REFUSAL_BUSY ? -EBUSY : -EIO;
}

int guard_begin(Manager *manager, const PciAddress *address) {
        const Device *device = facts_find_device(manager_facts(manager), address);
        _cleanup_(operation_freep) Operation *operation = NULL;
        _cleanup_(record_done) DeviceRecord now = {};
        Keeper keeper;
        int r;

        if (!device || !guard_is_needed(manager, device) || !keeper_find_group(manager, device->group, &keeper))
                return 0;
        if (manager_group_operation(manager, device->group) || recovery_awaits_group(manager->recovery, device->group) ||
            queue_find_waiting(&manager->queue, device->group, NULL))
                return -EBUSY;
        r = record_make(device, /* wanted= */ false, VFIO_DRIVER, &now);
        now.is_new = true;
        if (r >= 0)
                r = make_operation(manager, &keeper, device, &now, &operation);
        if (r < 0)
                return r;
        r = record_list_add(keeper.records, &now);
        if (r < 0)
                return r;
        r = submit(manager, &operation);
        if (r < 0)
                keeper_drop_new_records(&keeper);
        else
                keeper_keep_new_records(&keeper);
        return r;
}
