/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <poll.h>

#include "base/log.h"
#include "base/strutil.h"
#include "daemon/audit.h"
#include "daemon/claim.h"
#include "daemon/failed-undo.h"
#include "daemon/lease.h"
#include "daemon/nodes.h"
#include "daemon/permit.h"
#include "daemon/records.h"
#include "db/assignment.h"
#include "host/tree.h"

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
        r = plan_give_back(&assignment->records, manager_facts(userdata), ret);
        if (r < 0 || !assignment->has_nodes)
                return r;
        return plan_take_nodes_first(ret, &assignment->records, manager_facts(userdata), &assignment->nodes);
}

/* The kernel may have /dev/iommu and yet no character devices (CONFIG_VFIO_DEVICE_CDEV): now that the devices are on their
 * VFIO driver it shows. */
static Backend settle_backend(const Manager *manager, const Assignment *assignment) {
        for (size_t i = 0; i < assignment->records.n_items; i++)
                if (tree_device_has_cdev(manager->sysfs_fd, &assignment->records.items[i].address) <= 0)
                        return BACKEND_GROUP;
        return assignment->backend;
}

static void settle_done(const Manager *manager, Assignment *assignment, Operation *operation) {
        assignment->backend = settle_backend(manager, assignment);
        if (assignment->has_nodes)
                nodes_note(manager, assignment, operation);
}

static void assign_settled(Operation *operation, void *userdata) {
        Manager *manager = userdata;
        Assignment *assignment = operation_assignment(operation);

        manager_refresh_devices(manager, &assignment->records);
        if (operation->state == OPERATION_DONE)
                settle_done(manager, assignment, operation);
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
        r = nodes_get_access(manager, request, &assignment->has_nodes, &assignment->nodes, &result->refusal);
        if (r < 0 || result->refusal.code != REFUSAL_NONE)
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
                r = claim_plan(userdata, &operation->request, &records, result);
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
