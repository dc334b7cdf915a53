/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/claim.h"

#include "base/strutil.h"
#include "daemon/foreign.h"
#include "daemon/host-guard.h"
#include "daemon/label.h"
#include "daemon/nodes.h"
#include "daemon/permit.h"
#include "daemon/records.h"
#include "host/tree.h"

#define VFIO_MODULE "vfio_pci"

static int check_companions(const Selection *selection, BlockerList *blockers) {
        int r;

        for (size_t i = 0; i < selection->n_companions; i++) {
                const Device *device = selection->companions[i];
                char a[PCI_ADDRESS_STRING_MAX];

                r = blocker_list_add(blockers, BLOCKER_COMPANION_NOT_NAMED, device->group, pci_address_format(&device->address, a), false,
                                     "%s shares group %" PRIu32 " and would come along, but only exactly the named devices are wanted", a,
                                     device->group);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Without an owner there is no label to compare. */
static int check_policy(const Manager *manager, const Request *request, const Selection *selection, BlockerList *blockers) {
        const char *label;
        size_t n;
        int r;

        r = permit_groups(manager, request, selection->groups, selection->n_groups, blockers);
        if (r < 0 || request->verb == VERB_RESERVE)
                return r;
        n = blockers->n_items;
        r = permit_label(manager, request, &label, blockers);
        if (r < 0 || blockers->n_items > n) /* a label that is not the caller's to claim is compared with nothing */
                return r;
        return manager_check_labels(manager, label, selection->groups, selection->n_groups, blockers);
}

/* An address can be recorded by an assignment of another group: its device was unplugged, and this one came in its place. */
static int check_records(const Manager *manager, const Group *group, BlockerList *blockers) {
        const AssignmentTable *table = &manager->assignments;

        for (size_t i = 0; i < table->n_items; i++)
                for (size_t k = 0; k < table->items[i]->records.n_items && !assignment_has_group(table->items[i], group->number); k++) {
                        const Device *device = facts_find_device(manager_facts(manager), &table->items[i]->records.items[k].address);
                        int r;

                        if (!device || device->group != group->number)
                                continue;
                        r = blocker_list_add(blockers, BLOCKER_OWNED, group->number, PCI_ADDRESS_FORMAT(&device->address), false,
                                             "The device that was at %s before is assigned to %s: release it first",
                                             PCI_ADDRESS_FORMAT(&device->address), table->items[i]->owner);
                        if (r < 0)
                                return r;
                }
        return 0;
}

/* What could not be written back (a name that no driver can have) must not be taken away. */
static int check_restorable(const Group *group, BlockerList *blockers) {
        WorkerRequest request;
        int r;

        for (size_t i = 0; i < group->n_devices; i++) {
                const Device *device = group->devices[i];
                _cleanup_free_ char *text = NULL;

                if (device->role != ROLE_ENDPOINT ||
                    worker_request_make(WORKER_SET_OVERRIDE, 0, &device->address, group->number, device->driver_override, &request) >= 0)
                        continue;
                r = string_escape(device->driver_override, TARGET_TEXT_MAX, &text);
                if (r < 0)
                        return r;
                r = blocker_list_add(blockers, BLOCKER_HOST_DRIVER_STAYS, group->number, PCI_ADDRESS_FORMAT(&device->address), false,
                                     "%s has the driver_override '%s', which no driver can have as its name, and which could not be given back",
                                     PCI_ADDRESS_FORMAT(&device->address), text);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* The same of reservations, for a reservation. */
static int check_reservation_records(const Manager *manager, const Group *group, BlockerList *blockers) {
        for (size_t i = 0; i < group->n_devices; i++) {
                const char *name = PCI_ADDRESS_FORMAT(&group->devices[i]->address);
                int r;

                if (!reservation_table_find_device(&manager->reservations, &group->devices[i]->address))
                        continue;
                r = blocker_list_add(blockers, BLOCKER_RESERVED, group->number, name, false,
                                     "The device that was at %s before is reserved: unreserve it first", name);
                if (r < 0)
                        return r;
        }
        return 0;
}

int claim_check_group(const Manager *manager, const Group *group, BlockerList *blockers) {
        int r;

        r = host_guard_check_group(manager, group, blockers);
        if (r >= 0)
                r = manager_check_state(manager, group->number, blockers);
        if (r >= 0)
                r = check_records(manager, group, blockers);
        if (r >= 0)
                r = manager_check_sriov(manager, group, blockers);
        if (r >= 0)
                r = foreign_check_group(manager, group, blockers);
        if (r >= 0)
                r = check_restorable(group, blockers);
        return r;
}

/* Nothing has to be done for a group that is reserved already, but if it is busy or somebody's. */
static int check_reserve(const Manager *manager, const Group *group, BlockerList *blockers) {
        int r;

        if (manager_group_reservation(manager, group->number))
                return manager_check_state(manager, group->number, blockers);
        r = claim_check_group(manager, group, blockers);
        if (r < 0)
                return r;
        return check_reservation_records(manager, group, blockers);
}

/* What is reserved already is off the host. */
static int check_use(const Manager *manager, const Request *request, const Selection *selection, BlockerList *blockers) {
        _cleanup_free_ Group **groups = NULL;
        size_t n = 0;

        groups = calloc(selection->n_groups ?: 1, sizeof(Group *));
        if (!groups)
                return -ENOMEM;
        for (size_t i = 0; i < selection->n_groups; i++)
                if (request->verb != VERB_RESERVE || !manager_group_reservation(manager, selection->groups[i]->number))
                        groups[n++] = selection->groups[i];
        return host_guard_check_use(manager, groups, n, blockers);
}

static int check_selection(const Manager *manager, const Request *request, const Selection *selection, BlockerList *blockers, BlockerList *overridden) {
        int r;

        for (size_t i = 0; i < selection->n_groups; i++) {
                if (request->verb == VERB_RESERVE)
                        r = check_reserve(manager, selection->groups[i], blockers);
                else
                        r = claim_check_group(manager, selection->groups[i], blockers);
                if (r < 0)
                        return r;
        }
        r = check_use(manager, request, selection, blockers);
        if (r < 0)
                return r;
        if (request->exact) {
                r = check_companions(selection, blockers);
                if (r < 0)
                        return r;
        }
        r = check_policy(manager, request, selection, blockers);
        for (size_t i = 0; r >= 0 && request->overrides && request->overrides[i]; i++)
                r = blocker_list_override(blockers, blocker_code_from_string(request->overrides[i]), overridden);
        return r;
}

static int check_options(const Manager *manager, const Request *request, Refusal *refusal) {
        for (size_t i = 0; request->overrides && request->overrides[i]; i++)
                if (blocker_code_from_string(request->overrides[i]) < 0) {
                        _cleanup_free_ char *text = NULL;

                        if (string_escape(request->overrides[i], TARGET_TEXT_MAX, &text) < 0)
                                return -ENOMEM;
                        return refusal_set(refusal, REFUSAL_INVALID_ARGUMENT, "'%s' is not the code of a blocker", text);
                }
        if (request->backend == BACKEND_IOMMUFD && manager_default_backend(manager) != BACKEND_IOMMUFD)
                return refusal_set(refusal, REFUSAL_NOT_SUPPORTED, "This kernel has no /dev/iommu, so only the backend 'group' can be had");
        return 0;
}

static int describe_selection(const Selection *selection, PlanResult *result) {
        int r;

        result->groups = calloc(selection->n_groups ?: 1, sizeof(uint32_t));
        if (!result->groups)
                return -ENOMEM;
        for (size_t i = 0; i < selection->n_groups; i++)
                result->groups[i] = selection->groups[i]->number;
        result->n_groups = selection->n_groups;
        for (size_t i = 0; i < selection->n_groups; i++)
                for (size_t k = 0; k < selection->groups[i]->n_devices; k++) {
                        const Device *device = selection->groups[i]->devices[k];

                        if (device->role != ROLE_ENDPOINT)
                                continue;
                        r = strv_append(&result->devices, PCI_ADDRESS_FORMAT(&device->address));
                        if (r < 0)
                                return r;
                }
        for (size_t i = 0; i < selection->n_companions; i++) {
                r = strv_append(&result->companions, PCI_ADDRESS_FORMAT(&selection->companions[i]->address));
                if (r < 0)
                        return r;
        }
        return 0;
}

/* No event tells of a changed driver_override, and what is recorded now is what is given back. The selection is gone after. */
static int refresh_selection(Manager *manager, const Selection *selection) {
        _cleanup_free_ PciAddress *addresses = NULL;
        size_t n = 0;
        int r;

        addresses = calloc((selection->n_wanted + selection->n_companions) ?: 1, sizeof(PciAddress));
        if (!addresses)
                return -ENOMEM;
        for (size_t i = 0; i < selection->n_wanted; i++)
                addresses[n++] = selection->wanted[i]->address;
        for (size_t i = 0; i < selection->n_companions; i++)
                addresses[n++] = selection->companions[i]->address;
        for (size_t i = 0; i < n; i++) {
                r = inventory_refresh_device(&manager->inventory, &addresses[i]);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int refresh_targets(Manager *manager, char *const *targets) {
        _cleanup_(selection_done) Selection selection = {};
        _cleanup_(blocker_list_done) BlockerList blockers = {};
        _cleanup_(refusal_done) Refusal refusal = {};
        int r;

        r = selection_resolve(manager_facts(manager), targets, &selection, &blockers, &refusal);
        return r < 0 ? r : refresh_selection(manager, &selection);
}

/* What is reserved already is recorded already. */
static void drop_reserved(const Manager *manager, RecordList *records) {
        for (size_t i = records->n_items; i > 0; i--)
                if (manager_group_reservation(manager, records->items[i - 1].group))
                        record_list_remove(records, &records->items[i - 1].address);
}

int claim_plan_steps(const Manager *manager, const RecordList *records, Plan *ret) {
        int r;

        if (records->n_items == 0)
                return 0;
        r = tree_has_driver(manager->sysfs_fd, VFIO_DRIVER);
        if (r < 0)
                return r;
        return plan_assign(records, r > 0 ? NULL : VFIO_MODULE, ret);
}

/* For somebody who may open the nodes: once they are there. */
static int add_nodes(const Manager *manager, const Request *request, RecordList *records, PlanResult *result) {
        NodeAccess access;
        bool wanted;
        int r;

        if (request->verb != VERB_ASSIGN)
                return 0;
        r = nodes_get_access(manager, request, &wanted, &access, &result->refusal);
        if (r < 0 || result->refusal.code != REFUSAL_NONE || !wanted)
                return r;
        r = nodes_record(manager, records);
        return r < 0 ? r : plan_add_nodes(&result->plan, records, &access);
}

/* An owner uses what it gets at once: nobody else may have it open, whatever driver it is on. */
static int check_holders_first(const Request *request, PlanResult *result) {
        bool is_overridden = strv_contains(request->overrides, blocker_code_to_string(BLOCKER_IN_USE_OPEN));
        bool all = request->verb == VERB_ASSIGN;

        return plan_check_holders_first(&result->plan, all ? result->groups : NULL, all ? result->n_groups : 0, is_overridden ? PLAN_OVERRIDE : NULL);
}

int claim_plan(Manager *manager, const Request *request, RecordList *ret_records, PlanResult *result) {
        _cleanup_(selection_done) Selection selection = {};
        _cleanup_(blocker_list_done) BlockerList blockers = {};
        _cleanup_(record_list_done) RecordList records = {};
        int r;

        r = check_options(manager, request, &result->refusal);
        if (r < 0 || result->refusal.code != REFUSAL_NONE)
                return r;
        r = refresh_targets(manager, request->targets);
        if (r < 0)
                return r;
        r = selection_resolve(manager_facts(manager), request->targets, &selection, &blockers, &result->refusal);
        if (r < 0 || result->refusal.code != REFUSAL_NONE)
                return r;
        r = describe_selection(&selection, result);
        if (r < 0)
                return r;
        r = check_selection(manager, request, &selection, &blockers, &result->overridden);
        if (r < 0)
                return r;
        if (blockers.n_items > 0)
                return refusal_from_blockers(&result->refusal, &blockers);

        r = record_selection(&selection, VFIO_DRIVER, &records);
        if (r < 0)
                return r;
        if (request->verb == VERB_RESERVE)
                drop_reserved(manager, &records);
        r = claim_plan_steps(manager, &records, &result->plan);
        if (r >= 0)
                r = add_nodes(manager, request, &records, result);
        if (r >= 0 && result->refusal.code == REFUSAL_NONE)
                r = check_holders_first(request, result);
        if (r < 0 || result->refusal.code != REFUSAL_NONE)
                return r;
        *ret_records = records;
        records = (RecordList) {};
        return 0;
}
