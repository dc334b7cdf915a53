/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/label.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/strutil.h"
#include "daemon/audit.h"
#include "db/label.h"

static const DeviceRecord *find_record(const RecordList *records, const Device *device) {
        for (size_t i = 0; i < records->n_items; i++)
                if (pci_address_compare(&records->items[i].address, &device->address) == 0 && pci_identity_equal(&records->items[i].identity, &device->identity))
                        return &records->items[i];
        return NULL;
}

/* An assignment on top of a reservation recorded what the reservation had made of the device. */
const char *manager_host_driver(const Manager *manager, const Device *device) {
        const Reservation *reservation = reservation_table_find_device(&manager->reservations, &device->address);
        const DeviceRecord *record = reservation ? find_record(&reservation->records, device) : NULL;

        for (size_t i = 0; !record && i < manager->assignments.n_items; i++)
                record = find_record(&manager->assignments.items[i]->records, device);
        return record ? record->driver : device->driver;
}

DeviceLabel manager_device_label(const Manager *manager, const Device *device) {
        return device_label(&manager->policy.set, &manager->labels, device, manager_host_driver(manager, device));
}

int manager_group_label(const Manager *manager, const Group *group, const char **ret, BlockerList *blockers) {
        _cleanup_free_ LabelledDevice *devices = calloc(group->n_devices ?: 1, sizeof(LabelledDevice));
        size_t n = 0;

        if (!devices)
                return -ENOMEM;
        for (size_t i = 0; i < group->n_devices; i++)
                if (group->devices[i]->role == ROLE_ENDPOINT)
                        devices[n++] = (LabelledDevice) { group->devices[i], manager_device_label(manager, group->devices[i]) };
        return group_label(group->number, devices, n, ret, blockers);
}

int manager_check_labels(const Manager *manager, const char *owner_label, Group *const *groups, size_t n_groups, BlockerList *blockers) {
        for (size_t i = 0; i < n_groups; i++) {
                const char *label;
                int r;

                r = manager_group_label(manager, groups[i], &label, blockers);
                if (r > 0)
                        r = owner_label_check(owner_label, groups[i]->number, label, blockers);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int on_label(const char *address, const char *label, void *userdata) {
        LabelTable *table = userdata;
        PciAddress parsed;

        return pci_address_parse(address, &parsed) < 0 ? 0 : label_table_set(table, &parsed, label);
}

int manager_load_labels(Manager *manager) {
        return db_label_foreach(manager->db, on_label, &manager->labels);
}

/* The endpoints that the target means: a device alone, or all of a group. */
static bool is_meant(const Device *device, const Target *target) {
        return device->role == ROLE_ENDPOINT && (target->is_group || pci_address_compare(&device->address, &target->address) == 0);
}

static int journal(Manager *manager, const Request *request, const Group *group, const Target *target) {
        _cleanup_(db_transaction_done) Db *transaction = NULL;
        _cleanup_strv_free_ char **devices = NULL;
        int r;

        r = db_begin(manager->db);
        if (r < 0)
                return r;
        transaction = manager->db;
        for (size_t i = 0; i < group->n_devices; i++) {
                if (!is_meant(group->devices[i], target))
                        continue;
                r = strv_append(&devices, PCI_ADDRESS_FORMAT(&group->devices[i]->address));
                if (r >= 0)
                        r = db_label_set(manager->db, PCI_ADDRESS_FORMAT(&group->devices[i]->address), request->label, (int64_t) request->caller.uid,
                                         realtime_usec());
                if (r < 0)
                        return r;
        }
        r = audit_label(manager->db, request, devices, group->number);
        if (r < 0)
                return r;
        transaction = NULL;
        return db_commit(manager->db);
}

/* What was committed, as the rest of the daemon sees it. */
static int apply(Manager *manager, const Request *request, const Group *group, const Target *target) {
        int r;

        for (size_t i = 0; i < group->n_devices; i++) {
                Device *device = group->devices[i];

                if (!is_meant(device, target))
                        continue;
                r = label_table_set(&manager->labels, &device->address, request->label);
                if (r < 0)
                        return r;
                if (manager->observer.device_changed)
                        manager->observer.device_changed(manager->observer.userdata, &device->address, device, device);
        }
        manager_say_groups(manager, &group->number, 1);
        return 0;
}

/* A label is for what can be given away, and stays as long as somebody has it. */
static int check(const Manager *manager, const Request *request, const Selection *selection, BlockerList *blockers, Refusal *refusal) {
        int r;

        if (blockers->n_items > 0)
                return refusal_from_blockers(refusal, blockers);
        if (selection->n_wanted == 0)
                return refusal_set(refusal, REFUSAL_NOT_VIABLE, "%s has no endpoint, and nothing else can be given to an owner", request->targets[0]);
        r = manager_check_state(manager, selection->groups[0]->number, blockers);
        if (r < 0)
                return r;
        blocker_list_drop(blockers, BLOCKER_QUARANTINED);
        return blockers->n_items > 0 ? refusal_from_blockers(refusal, blockers) : 0;
}

static void audit_no(Manager *manager, const Request *request, const Selection *selection, const Refusal *refusal) {
        PlanResult result = { .refusal = *refusal };
        uint32_t group;

        if (selection->n_groups > 0) {
                group = selection->groups[0]->number;
                result.groups = &group;
                result.n_groups = 1;
        }
        manager_audit_refusal(manager, request, &result);
}

static int set_label(Manager *manager, const Request *request, Refusal *refusal) {
        _cleanup_(selection_done) Selection selection = {};
        _cleanup_(blocker_list_done) BlockerList blockers = {};
        Target target;
        int r;

        r = target_parse(request->targets[0], &target);
        if (r >= 0)
                r = selection_resolve(manager_facts(manager), request->targets, &selection, &blockers, refusal);
        if (r >= 0 && refusal->code == REFUSAL_NONE)
                r = check(manager, request, &selection, &blockers, refusal);
        if (r < 0)
                return r;
        if (refusal->code != REFUSAL_NONE) {
                audit_no(manager, request, &selection, refusal);
                return 0;
        }
        manager_probe_database(manager);
        r = journal(manager, request, selection.groups[0], &target);
        if (r < 0 && !db_is_healthy(manager->db))
                return refusal_set(refusal, REFUSAL_DEGRADED, "The label cannot be recorded: %s", strerrordesc_np(-r));
        return r < 0 ? r : apply(manager, request, selection.groups[0], &target);
}

int manager_set_label(Manager *manager, Request *request, Refusal *ret_refusal) {
        _cleanup_(request_done) Request owned = *request;
        int r;

        *request = (Request) {};
        owned.verb = VERB_LABEL;
        r = request_check(&owned, ret_refusal);
        if (r < 0 || ret_refusal->code != REFUSAL_NONE)
                return r;
        return set_label(manager, &owned, ret_refusal);
}
