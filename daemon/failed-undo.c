/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/failed-undo.h"

#include "base/log.h"
#include "base/strutil.h"

static bool is_as_recorded(const Manager *manager, const DeviceRecord *record) {
        const Device *device = facts_find_device(manager_facts(manager), &record->address);

        return !device || !pci_identity_equal(&device->identity, &record->identity) ||
               (string_equal(device->driver, record->driver) && string_equal(device->driver_override, record->driver_override));
}

/* One that stays on its VFIO driver, and whose node, or whose group's, was not taken back: somebody may open it who has nothing there any more. */
static bool node_may_be_open(const Manager *manager, const Operation *operation, const DeviceRecord *record, bool all_steps) {
        const Device *device = facts_find_device(manager_facts(manager), &record->address);

        for (size_t i = 0; device && string_equal(device->driver, record->vfio_driver) && i < operation->plan.n_steps; i++) {
                const Step *step = &operation->plan.steps[i];
                const StepProgress *progress = &operation->progress[i];
                bool is_its = (step->kind == STEP_SET_GROUP_NODE && step->group == record->group) ||
                              (step->kind == STEP_SET_DEVICE_NODE && pci_address_compare(&step->address, &record->address) == 0);

                if (is_its && (progress->undo || all_steps) && (progress->state == STEP_FAILED || progress->state == STEP_UNKNOWN))
                        return true;
        }
        return false;
}

static bool step_failed_in(const Operation *operation, size_t i, uint32_t group, bool all_steps) {
        const StepProgress *progress = &operation->progress[i];

        return operation->plan.steps[i].group == group && (progress->undo || all_steps) &&
               (progress->state == STEP_FAILED || progress->state == STEP_UNKNOWN);
}

/* The first device of the group that the undo left as it should not be; NULL: none. */
static const DeviceRecord *find_spoiled(const Manager *manager, const Operation *operation, const RecordList *records, uint32_t group, bool all_steps) {
        bool failed = false;

        for (size_t i = 0; i < operation->plan.n_steps; i++)
                failed |= step_failed_in(operation, i, group, all_steps);
        for (size_t i = 0; failed && i < records->n_items; i++)
                if (records->items[i].group == group &&
                    (!is_as_recorded(manager, &records->items[i]) || node_may_be_open(manager, operation, &records->items[i], all_steps)))
                        return &records->items[i];
        return NULL;
}

/* The one that an attempt before this one made. */
static Quarantine *find_of_operation(const Manager *manager, const Operation *operation, const DeviceRecord *record) {
        for (size_t i = 0; i < manager->quarantines.n_items; i++)
                if (manager->quarantines.items[i]->operation == operation->id &&
                    record_list_find(&manager->quarantines.items[i]->records, &record->address))
                        return manager->quarantines.items[i];
        return NULL;
}

static int make_quarantine(Manager *manager, const Operation *operation, const RecordList *records, const DeviceRecord *spoiled, Quarantine **ret) {
        _cleanup_(quarantine_freep) Quarantine *quarantine = NULL;
        _cleanup_free_ char *detail = NULL;
        int r;

        r = string_format(&detail, "operation %" PRIu64 " could not be undone: %s is not as it was", operation->id, PCI_ADDRESS_FORMAT(&spoiled->address));
        if (r >= 0)
                r = quarantine_new(QUARANTINE_FAILED_UNDO, detail, records, spoiled->group, &quarantine);
        if (r < 0)
                return r;
        quarantine->operation = operation->id;
        quarantine->assignment = operation->assignment;
        r = quarantine_table_add(&manager->quarantines, quarantine);
        if (r < 0)
                return r;
        log_error("Group %" PRIu32 " is quarantined: %s", spoiled->group, detail);
        *ret = TAKE_PTR(quarantine);
        return 0;
}

int failed_undo_quarantine(Manager *manager, const Operation *operation, const RecordList *records, bool all_steps) {
        for (size_t i = 0; i < operation->n_groups; i++) {
                const DeviceRecord *spoiled = find_spoiled(manager, operation, records, operation->groups[i], all_steps);
                Quarantine *quarantine;
                int r = 0;

                if (!spoiled)
                        continue;
                quarantine = find_of_operation(manager, operation, spoiled);
                if (!quarantine)
                        r = make_quarantine(manager, operation, records, spoiled, &quarantine);
                if (r >= 0)
                        r = quarantine_journal_begin(manager->db, quarantine);
                if (r < 0)
                        return r;
        }
        return 0;
}
