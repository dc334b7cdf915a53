/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/assign.h"

#include <poll.h>

#include "base/log.h"
#include "base/strutil.h"
#include "daemon/audit.h"
#include "daemon/lease.h"
#include "daemon/failed-undo.h"
#include "daemon/foreign.h"
#include "daemon/host-guard.h"
#include "daemon/label.h"
#include "daemon/permit.h"
#include "daemon/records.h"
#include "db/assignment.h"
#include "host/tree.h"

#define VFIO_DRIVER "vfio-pci"
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

static int check_policy(const Manager *manager, const Request *request, const Selection *selection, BlockerList *blockers) {
        const char *label;
        size_t n;
        int r;

        r = permit_groups(manager, request, selection->groups, selection->n_groups, blockers);
        if (r < 0)
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

static int check_selection(const Manager *manager, const Request *request, const Selection *selection, BlockerList *blockers, BlockerList *overridden) {
        int r;

        for (size_t i = 0; i < selection->n_groups; i++) {
                r = host_guard_check_group(manager, selection->groups[i], blockers);
                if (r < 0)
                        return r;
                r = manager_check_state(manager, selection->groups[i]->number, blockers);
                if (r < 0)
                        return r;
                r = check_records(manager, selection->groups[i], blockers);
                if (r < 0)
                        return r;
                r = manager_check_sriov(manager, selection->groups[i], blockers);
                if (r < 0)
                        return r;
                r = foreign_check_group(manager, selection->groups[i], blockers);
                if (r < 0)
                        return r;
                r = check_restorable(selection->groups[i], blockers);
                if (r < 0)
                        return r;
        }
        r = host_guard_check_use(manager, selection->groups, selection->n_groups, blockers);
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

int assign_plan(Manager *manager, const Request *request, RecordList *ret_records, PlanResult *result) {
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
        r = tree_has_driver(manager->sysfs_fd, VFIO_DRIVER);
        if (r < 0)
                return r;
        r = plan_assign(&records, r > 0 ? NULL : VFIO_MODULE, &result->plan);
        if (r < 0)
                return r;
        *ret_records = records;
        records = (RecordList) {};
        return 0;
}

static Assignment *operation_assignment(Operation *operation) {
        Manager *manager = operation->userdata;

        for (size_t i = 0; i < manager->assignments.n_items; i++)
                if (assignment_has_group(manager->assignments.items[i], operation->groups[0]))
                        return manager->assignments.items[i];
        return NULL;
}

static int assign_journal_begin(Operation *operation, void *userdata) {
        Manager *manager = userdata;
        Assignment *assignment = operation_assignment(operation);
        int r;

        r = records_journal_assignment(manager->db, assignment);
        if (r < 0)
                return r;
        operation->assignment = assignment->id;
        return 0;
}

static int assign_plan_undo(Operation *operation, void *userdata, Plan *ret) {
        Assignment *assignment = operation_assignment(operation);
        PciAddress blind;
        int r;

        r = manager_see_devices(userdata, &assignment->records, &blind);
        if (r < 0)
                return r;
        return plan_give_back(&assignment->records, manager_facts(userdata), ret);
}

/* The kernel may have /dev/iommu and yet no character devices (CONFIG_VFIO_DEVICE_CDEV): now that the devices are on their
 * VFIO driver it shows. */
static Backend settle_backend(const Manager *manager, const Assignment *assignment) {
        for (size_t i = 0; i < assignment->records.n_items; i++)
                if (tree_device_has_cdev(manager->sysfs_fd, &assignment->records.items[i].address) <= 0)
                        return BACKEND_GROUP;
        return assignment->backend;
}

static void assign_settled(Operation *operation, void *userdata) {
        Manager *manager = userdata;
        Assignment *assignment = operation_assignment(operation);

        manager_refresh_devices(manager, &assignment->records);
        if (operation->state == OPERATION_DONE)
                assignment->backend = settle_backend(manager, assignment);
        else
                records_note_differences(manager, &assignment->records, operation);
}

static int assign_journal_end(Operation *operation, void *userdata) {
        Manager *manager = userdata;
        const Assignment *assignment = operation_assignment(operation);
        _cleanup_strv_free_ char **devices = NULL;
        int r;

        if (operation->state == OPERATION_DONE) {
                r = db_assignment_set_state(manager->db, (int64_t) assignment->id, "active", 0, NULL);
                if (r >= 0)
                        r = db_assignment_set_backend(manager->db, (int64_t) assignment->id, backend_to_string(assignment->backend));
        } else
                r = db_assignment_set_state(manager->db, (int64_t) assignment->id, "undone", operation->finished_usec, operation->outcome.message);
        if (r < 0)
                return r;
        if (operation->state != OPERATION_DONE) {
                r = failed_undo_quarantine(manager, operation, &assignment->records, /* all_steps= */ false);
                if (r < 0)
                        return r;
        }
        r = records_addresses(&assignment->records, &devices);
        if (r < 0)
                return r;
        return audit_operation(manager->db, operation, devices);
}

static void assign_ended(Operation *operation, void *userdata) {
        Manager *manager = userdata;
        Assignment *assignment = operation_assignment(operation);

        if (operation->state == OPERATION_DONE) {
                assignment->state = ASSIGNMENT_ACTIVE;
                if (manager->observer.assignment_added)
                        manager->observer.assignment_added(manager->observer.userdata, assignment);
        } else
                manager_drop_assignment(manager, assignment->id);
        manager_operation_ended(manager, operation);
}

static void assign_changed(Operation *operation, bool stuck_changed, void *userdata) {
        manager_operation_changed(userdata, operation, stuck_changed);
}

/* A lease that has ended before it began leaves nothing behind. */
static int check_lease(const Operation *operation, Refusal *refusal) {
        struct pollfd poll_fd = { .fd = operation->lease_fd };

        if (operation->lease_fd < 0 || poll(&poll_fd, 1, 0) <= 0)
                return 0;
        return refusal_set(refusal, REFUSAL_CANCELLED, "The lease of %s has ended before its devices were assigned", operation->request.owner);
}

/* An owner that claims no label has the one that the policy gives it. */
static int settle_label(const Manager *manager, const Request *request, Assignment *assignment) {
        _cleanup_(blocker_list_done) BlockerList blockers = {};
        const char *label;
        int r;

        r = permit_label(manager, request, &label, &blockers);
        if (r < 0)
                return r;
        r = string_replace(&assignment->label, label);
        return r < 0 ? r : 0;
}

/* The table holds the new assignment from here on; without an id until its row is inserted. */
static int begin_assignment(Manager *manager, Operation *operation, RecordList *records, PlanResult *result) {
        _cleanup_(assignment_freep) Assignment *assignment = NULL;
        const Request *request = &operation->request;
        Assignment *added;
        int r;

        r = assignment_new(request, records, request->backend == BACKEND_AUTO ? manager_default_backend(manager) : request->backend, &assignment);
        if (r < 0)
                return r;
        r = settle_label(manager, request, assignment);
        if (r < 0)
                return r;
        assignment->lease = operation->lease_fd >= 0;
        blocker_list_done(&operation->overridden);
        operation->overridden = result->overridden;
        result->overridden = (BlockerList) {};
        r = operation_set_groups(operation, assignment->groups, assignment->n_groups);
        if (r < 0)
                return r;
        r = operation_set_plan(operation, &result->plan);
        if (r < 0)
                return r;
        assignment->id = UINT64_MAX;
        r = assignment_table_add(&manager->assignments, assignment);
        if (r < 0)
                return r;
        added = TAKE_PTR(assignment);

        r = operation->lease_fd >= 0 ? manager_add_lease(manager, operation->lease_fd) : 0;
        if (r >= 0)
                r = manager_begin(manager, operation, &result->refusal);
        if (r < 0 || result->refusal.code != REFUSAL_NONE) {
                manager_drop_lease(manager, LEASE_OF_NONE);
                manager_drop_assignment(manager, added->id);
                return r;
        }
        manager_name_lease(manager, added->id);
        operation->lease_fd = safe_close(operation->lease_fd);
        return 0;
}

static int assign_start(Operation *operation, void *userdata, PlanResult *result) {
        _cleanup_(record_list_done) RecordList records = {};
        int r;

        r = check_lease(operation, &result->refusal);
        if (r >= 0 && result->refusal.code == REFUSAL_NONE)
                r = assign_plan(userdata, &operation->request, &records, result);
        if (r < 0 || result->refusal.code != REFUSAL_NONE)
                return r;
        return begin_assignment(userdata, operation, &records, result);
}

static const OperationOwner assign_owner = {
        .start = assign_start,
        .journal_begin = assign_journal_begin,
        .plan_undo = assign_plan_undo,
        .settled = assign_settled,
        .journal_end = assign_journal_end,
        .ended = assign_ended,
        .changed = assign_changed,
};

int manager_assign(Manager *manager, Request *request, int *lease_fd, Refusal *ret_refusal, Operation **ret) {
        return manager_request(manager, &assign_owner, request, lease_fd, ret_refusal, ret);
}
