/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/nodes.h"

#include "base/accounts.h"
#include "base/log.h"
#include "base/strutil.h"
#include "daemon/audit.h"
#include "daemon/records.h"
#include "daemon/recover.h"
#include "host/node.h"

/* Of a caller that is nobody's account here, root's: under the usual mode nobody is let in by the group. */
static gid_t group_of_caller(const Caller *caller) {
        gid_t group = 0;

        if (caller->uid != 0 && account_find_local_primary_group(caller->uid, &group) < 0 && caller->n_gids == 1)
                group = caller->gids[0];
        return group;
}

int nodes_get_access(const Manager *manager, const Request *request, bool *ret_wanted, NodeAccess *ret, Refusal *refusal) {
        int r;

        r = request_get_node_access(request, group_of_caller(&request->caller), ret_wanted, ret, refusal);
        if (r < 0 || refusal->code != REFUSAL_NONE)
                return r;
        if (request->node_context && !node_has_context(manager->sysfs_fd))
                return refusal_set(refusal, REFUSAL_NOT_SUPPORTED, "SELinux is not on, so nodes have no context");
        return 0;
}

static int record_one(const Manager *manager, DeviceRecord *record) {
        char name[NODE_NAME_MAX];
        NodeAccess access;
        int r = 0;

        if (!string_equal(record->driver, record->vfio_driver)) /* its node comes to be by the bind */
                return 0;
        if (node_read_device(manager->sysfs_fd, manager->dev_fd, &record->address, name, &access) >= 0)
                r = string_replace(&record->node, NODE_ACCESS_FORMAT(&access));
        if (r >= 0 && node_read_group(manager->sysfs_fd, manager->dev_fd, record->group, name, &access) >= 0)
                r = string_replace(&record->group_node, NODE_ACCESS_FORMAT(&access));
        return r < 0 ? r : 0;
}

int nodes_record(const Manager *manager, RecordList *records) {
        for (size_t i = 0; i < records->n_items; i++) {
                int r = record_one(manager, &records->items[i]);

                if (r < 0)
                        return r;
        }
        return 0;
}

typedef int (*node_handler_t)(const DeviceRecord *record, const char *name, const NodeAccess *now, void *userdata);

static bool is_there(const Manager *manager, const DeviceRecord *record) {
        const Device *device = facts_find_device(manager_facts(manager), &record->address);

        return device && pci_identity_equal(&device->identity, &record->identity) && device->group == record->group;
}

/* Of those that are there: the first one may have been unplugged, and its group lives on. */
static bool is_first_of_group(const Manager *manager, const RecordList *records, size_t index) {
        for (size_t i = 0; i < index; i++)
                if (records->items[i].group == records->items[index].group && is_there(manager, &records->items[i]))
                        return false;
        return true;
}

/* Every node that there is of what the assignment has. */
static int foreach_node(const Manager *manager, const Assignment *assignment, node_handler_t handler, void *userdata) {
        const RecordList *records = &assignment->records;
        char name[NODE_NAME_MAX];
        NodeAccess now;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < records->n_items; i++) {
                const DeviceRecord *record = &records->items[i];

                if (!is_there(manager, record))
                        continue;
                if (is_first_of_group(manager, records, i) && node_read_group(manager->sysfs_fd, manager->dev_fd, record->group, name, &now) >= 0)
                        r = handler(record, name, &now, userdata);
                if (r >= 0 && node_read_device(manager->sysfs_fd, manager->dev_fd, &record->address, name, &now) >= 0)
                        r = handler(record, name, &now, userdata);
        }
        return r;
}

static int count_node(const DeviceRecord *record, const char *name, const NodeAccess *now, void *userdata) {
        ++*(size_t *) userdata;
        return 0;
}

void nodes_note(const Manager *manager, const Assignment *assignment, Operation *operation) {
        _cleanup_free_ char *sentence = NULL;
        const NodeAccess *access = &assignment->nodes;
        size_t n = 0;

        (void) foreach_node(manager, assignment, count_node, &n);
        if (string_format(&sentence, n > 0 ? "The VFIO nodes belong to uid %" PRIu32 ", gid %" PRIu32 ", mode %04" PRIo32 "%s%s"
                                           : "There is no VFIO node that uid %" PRIu32 ", gid %" PRIu32 ", mode %04" PRIo32 "%s%s could be given",
                          access->uid, access->gid, access->mode, access->context[0] != '\0' ? ", context " : "", access->context) >= 0)
                records_add_remark(operation, sentence);
}

typedef struct Comparison {
        const NodeAccess *access;
        DriftList *list;
} Comparison;

static int compare_node(const DeviceRecord *record, const char *name, const NodeAccess *now, void *userdata) {
        const Comparison *comparison = userdata;
        _cleanup_free_ char *detail = NULL;
        int r;

        if (node_access_equal(now, comparison->access))
                return 0;
        r = string_format(&detail, "/dev/%s has the access %s instead of %s", name, NODE_ACCESS_FORMAT(now), NODE_ACCESS_FORMAT(comparison->access));
        if (r < 0)
                return r;
        return drift_list_add(comparison->list, &(Drift) {
                .code = DRIFT_NODE_CHANGED,
                .group = record->group,
                .address = record->address,
                .detail = detail,
        });
}

int nodes_find_drift(const Manager *manager, const Assignment *assignment, DriftList *list) {
        Comparison comparison = { .access = &assignment->nodes, .list = list };

        return assignment->has_nodes ? foreach_node(manager, assignment, compare_node, &comparison) : 0;
}

/* --- Giving them again. */

static int grant_journal_end(Operation *operation, void *userdata) {
        Manager *manager = userdata;

        return audit_operation(manager->db, operation, operation->request.targets);
}

static void grant_ended(Operation *operation, void *userdata) {
        manager_operation_ended(userdata, operation);
}

static void grant_changed(Operation *operation, bool stuck_changed, void *userdata) {
        manager_operation_changed(userdata, operation, stuck_changed);
}

static const OperationOwner grant_owner = {
        .journal_end = grant_journal_end,
        .ended = grant_ended,
        .changed = grant_changed,
};

/* What the nodes have now is their prior. */
static int make_plan(const Manager *manager, const Assignment *assignment, Plan *ret) {
        _cleanup_(record_list_done) RecordList now = {};
        int r = 0;

        for (size_t i = 0; r >= 0 && i < assignment->records.n_items; i++) {
                const DeviceRecord *record = &assignment->records.items[i];
                DeviceRecord bound = *record;

                bound.driver = bound.vfio_driver;
                bound.node = bound.group_node = NULL;
                if (is_there(manager, record))
                        r = record_list_add(&now, &bound);
        }
        if (r >= 0)
                r = nodes_record(manager, &now);
        return r < 0 ? r : plan_add_nodes(ret, &now, &assignment->nodes);
}

static int make_operation(Manager *manager, const Assignment *assignment, Operation **ret) {
        _cleanup_(operation_freep) Operation *operation = NULL;
        _cleanup_(request_done) Request request = { .verb = VERB_GRANT };
        _cleanup_(plan_done) Plan plan = {};
        int r;

        r = string_copy(assignment->owner, &request.owner);
        if (r >= 0)
                r = records_addresses(&assignment->records, &request.targets);
        if (r >= 0)
                r = make_plan(manager, assignment, &plan);
        if (r >= 0)
                r = operation_new(&manager->context, &grant_owner, manager, &request, &operation);
        if (r >= 0)
                r = operation_set_groups(operation, assignment->groups, assignment->n_groups);
        if (r >= 0)
                r = operation_set_plan(operation, &plan);
        if (r < 0)
                return r;
        operation->keep_going = true;
        operation->assignment = assignment->id;
        *ret = TAKE_PTR(operation);
        return 0;
}

static bool is_busy(const Manager *manager, const Assignment *assignment) {
        for (size_t i = 0; i < assignment->n_groups; i++)
                if (manager_group_operation(manager, assignment->groups[i]) || recovery_awaits_group(manager->recovery, assignment->groups[i]) ||
                    queue_find_waiting(&manager->queue, assignment->groups[i], NULL))
                        return true;
        return false;
}

int nodes_grant(Manager *manager, uint64_t id) {
        const Assignment *assignment = manager_find_assignment(manager, id);
        _cleanup_(operation_freep) Operation *operation = NULL;
        _cleanup_(refusal_done) Refusal refusal = {};
        Operation *begun;
        int r;

        if (!assignment || assignment->state != ASSIGNMENT_ACTIVE || !assignment->has_nodes)
                return 0;
        if (is_busy(manager, assignment))
                return -EBUSY;
        r = make_operation(manager, assignment, &operation);
        if (r < 0)
                return r;
        r = manager_submit(manager, &operation, &refusal, &begun);
        if (r < 0 || refusal.code == REFUSAL_NONE)
                return r;
        log_warning("The nodes of assignment %" PRIu64 " are not given to whom they belong yet: %s", id, refusal.message ?: "no memory");
        return refusal.code == REFUSAL_BUSY ? -EBUSY : -EIO;
}
