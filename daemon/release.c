/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/release.h"

#include <string.h>

#include "base/log.h"
#include "base/strutil.h"
#include "daemon/audit.h"
#include "daemon/permit.h"
#include "daemon/records.h"
#include "db/assignment.h"

void release_set_done(ReleaseSet *set) {
        free(set->assignments);
        *set = (ReleaseSet) {};
}

static int release_set_add(ReleaseSet *set, Assignment *assignment) {
        Assignment **assignments;

        for (size_t i = 0; i < set->n_assignments; i++)
                if (set->assignments[i] == assignment)
                        return 0;
        assignments = reallocarray(set->assignments, set->n_assignments + 1, sizeof(Assignment *));
        if (!assignments)
                return -ENOMEM;
        assignments[set->n_assignments++] = assignment;
        set->assignments = assignments;
        return 0;
}

static int set_from_owner(const Manager *manager, const char *owner, ReleaseSet *set, Refusal *refusal) {
        int r;

        for (size_t i = 0; i < manager->assignments.n_items; i++) {
                if (!string_equal(manager->assignments.items[i]->owner, owner))
                        continue;
                r = release_set_add(set, manager->assignments.items[i]);
                if (r < 0)
                        return r;
        }
        if (set->n_assignments == 0)
                return refusal_set(refusal, REFUSAL_NO_SUCH_OWNER, "Nothing is assigned to an owner named '%s'", owner);
        return 0;
}

static bool selection_has_group(const Selection *selection, uint32_t number) {
        for (size_t i = 0; i < selection->n_groups; i++)
                if (selection->groups[i]->number == number)
                        return true;
        return false;
}

/* An assignment is given back whole: a target that is only a part of one is refused, since the rest would go with it. */
static int check_whole(const Assignment *assignment, const Selection *selection, Refusal *refusal) {
        for (size_t i = 0; i < assignment->n_groups; i++)
                if (!selection_has_group(selection, assignment->groups[i]))
                        return refusal_set(refusal, REFUSAL_INVALID_ARGUMENT,
                                           "Assignment %" PRIu64 " of %s also holds group %" PRIu32
                                           ", which is not named; an assignment is released whole: name all its groups, or its owner",
                                           assignment->id, assignment->owner, assignment->groups[i]);
        return 0;
}

static int set_from_id(const Manager *manager, uint64_t id, ReleaseSet *set, Refusal *refusal) {
        Assignment *assignment = assignment_table_find(&manager->assignments, id);

        if (!assignment)
                return refusal_set(refusal, REFUSAL_NO_SUCH_OWNER, "There is no assignment %" PRIu64, id);
        return release_set_add(set, assignment);
}

static int set_from_targets(const Manager *manager, const Request *request, ReleaseSet *set, Refusal *refusal) {
        _cleanup_(selection_done) Selection selection = {};
        _cleanup_(blocker_list_done) BlockerList blockers = {};
        int r;

        r = selection_resolve(manager_facts(manager), request->targets, &selection, &blockers, refusal);
        if (r < 0 || refusal->code != REFUSAL_NONE)
                return r;
        if (blockers.n_items > 0)
                return refusal_from_blockers(refusal, &blockers);
        for (size_t i = 0; i < selection.n_groups; i++) {
                Assignment *assignment = assignment_table_find_group(&manager->assignments, selection.groups[i]->number);

                if (!assignment)
                        return refusal_set(refusal, REFUSAL_NO_SUCH_OWNER, "Group %" PRIu32 " is not assigned to anybody", selection.groups[i]->number);
                if (request->owner && !string_equal(assignment->owner, request->owner))
                        return refusal_set(refusal, REFUSAL_OWNED, "Group %" PRIu32 " is assigned to %s, not to %s", selection.groups[i]->number,
                                           assignment->owner, request->owner);
                r = release_set_add(set, assignment);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < set->n_assignments && refusal->code == REFUSAL_NONE; i++) {
                r = check_whole(set->assignments[i], &selection, refusal);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int check_set(const Manager *manager, const Request *request, const ReleaseSet *set, Refusal *refusal) {
        _cleanup_(blocker_list_done) BlockerList blockers = {};
        int r;

        for (size_t i = 0; i < set->n_assignments; i++) {
                const Assignment *assignment = set->assignments[i];

                r = permit_assignment(manager, request, assignment, &blockers);
                if (r < 0)
                        return r;
                for (size_t g = 0; g < assignment->n_groups; g++) {
                        r = manager_check_state(manager, assignment->groups[g], &blockers);
                        if (r < 0)
                                return r;
                }
                r = manager_check_vfs_unused(manager, &assignment->records, &blockers);
                if (r < 0)
                        return r;
        }
        blocker_list_drop(&blockers, BLOCKER_OWNED); /* it is the owner's to give back */
        blocker_list_drop(&blockers, BLOCKER_QUARANTINED); /* as well, and closed for others afterwards */
        return blockers.n_items > 0 ? refusal_from_blockers(refusal, &blockers) : 0;
}

static int describe_set(const ReleaseSet *set, const RecordList *records, PlanResult *result) {
        size_t n = 0;

        for (size_t i = 0; i < set->n_assignments; i++)
                n += set->assignments[i]->n_groups;
        result->groups = calloc(n ?: 1, sizeof(uint32_t));
        if (!result->groups)
                return -ENOMEM;
        for (size_t i = 0; i < set->n_assignments; i++) {
                memcpy(result->groups + result->n_groups, set->assignments[i]->groups, set->assignments[i]->n_groups * sizeof(uint32_t));
                result->n_groups += set->assignments[i]->n_groups;
        }
        return records_addresses(records, &result->devices);
}

static int take_nodes_first(const Manager *manager, const ReleaseSet *set, Plan *plan) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < set->n_assignments; i++)
                if (set->assignments[i]->has_nodes)
                        r = plan_take_nodes_first(plan, &set->assignments[i]->records, manager_facts(manager), &set->assignments[i]->nodes);
        return r;
}

static int plan_set(Manager *manager, const Request *request, const ReleaseSet *set, PlanResult *result) {
        _cleanup_free_ DeviceRecord *items = NULL;
        RecordList records;
        PciAddress blind;
        int r;

        r = records_merge(set->assignments, set->n_assignments, &records);
        if (r < 0)
                return r;
        items = records.items;
        r = describe_set(set, &records, result);
        if (r < 0)
                return r;
        r = check_set(manager, request, set, &result->refusal);
        if (r < 0 || result->refusal.code != REFUSAL_NONE)
                return r;
        r = manager_see_devices(manager, &records, &blind);
        if (r < 0 && r != -ENOMEM)
                return refusal_set(&result->refusal, REFUSAL_FAILED, "%s cannot be looked at (%s), so nothing is given back yet",
                                   PCI_ADDRESS_FORMAT(&blind), strerror(-r));
        if (r < 0)
                return r;
        r = plan_release(&records, manager_facts(manager), &result->plan);
        if (r >= 0)
                r = take_nodes_first(manager, set, &result->plan);
        if (r < 0 || !request->caller.bus_name) /* the owner of a lease is gone: nobody is there to be refused */
                return r;
        return plan_check_holders_first(&result->plan, NULL, 0, request->wait ? PLAN_WAIT : NULL);
}

int release_plan(Manager *manager, const Request *request, ReleaseSet *ret_set, PlanResult *result) {
        _cleanup_(release_set_done) ReleaseSet set = {};
        int r;

        if (request->assignment > 0)
                r = set_from_id(manager, request->assignment, &set, &result->refusal);
        else if (strv_length(request->targets) > 0)
                r = set_from_targets(manager, request, &set, &result->refusal);
        else
                r = set_from_owner(manager, request->owner, &set, &result->refusal);
        if (r < 0 || result->refusal.code != REFUSAL_NONE)
                return r;
        r = plan_set(manager, request, &set, result);
        if (r < 0 || result->refusal.code != REFUSAL_NONE)
                return r;
        *ret_set = set;
        set = (ReleaseSet) {};
        return 0;
}

/* Assignments are given back whole, so one group tells. */
static bool gives_back(const Operation *operation, const Assignment *assignment) {
        return operation_has_group(operation, assignment->groups[0]);
}

static int release_journal_begin(Operation *operation, void *userdata) {
        Manager *manager = userdata;
        int r;

        for (size_t i = 0; i < manager->assignments.n_items; i++) {
                const Assignment *assignment = manager->assignments.items[i];

                if (!gives_back(operation, assignment))
                        continue;
                operation->assignment = assignment->id;
                r = db_assignment_set_state(manager->db, (int64_t) assignment->id, "releasing", 0, NULL);
                if (r < 0)
                        return r;
        }
        return 0;
}

static void release_settled(Operation *operation, void *userdata) {
        Manager *manager = userdata;

        if (blocker_list_contains(&operation->outcome.blockers, BLOCKER_IN_USE_OPEN)) /* nothing was begun */
                return;
        for (size_t i = 0; i < manager->assignments.n_items; i++) {
                const Assignment *assignment = manager->assignments.items[i];

                if (!gives_back(operation, assignment))
                        continue;
                manager_refresh_devices(manager, &assignment->records);
                records_note_differences(manager, &assignment->records, operation);
        }
}

/* One device that did not leave its VFIO driver kept everything else of the operation from going back. */
static bool is_still_held(const Manager *manager, const Operation *operation) {
        for (size_t i = 0; i < manager->assignments.n_items; i++)
                if (gives_back(operation, manager->assignments.items[i]) &&
                    records_are_held(manager, &manager->assignments.items[i]->records, operation))
                        return true;
        return false;
}

static int journal_end_of(const Operation *operation, Manager *manager, const Assignment *assignment, bool held, char ***devices) {
        int r;

        r = db_assignment_set_state(manager->db, (int64_t) assignment->id, held ? "active" : "ended", held ? 0 : operation->finished_usec,
                                    held ? NULL : operation->outcome.message);
        for (size_t i = 0; r >= 0 && i < assignment->records.n_items; i++)
                r = strv_append(devices, PCI_ADDRESS_FORMAT(&assignment->records.items[i].address));
        return r;
}

static int release_journal_end(Operation *operation, void *userdata) {
        Manager *manager = userdata;
        _cleanup_strv_free_ char **devices = NULL;
        bool held = is_still_held(manager, operation);
        int r;

        for (size_t i = 0; i < manager->assignments.n_items; i++) {
                if (!gives_back(operation, manager->assignments.items[i]))
                        continue;
                r = journal_end_of(operation, manager, manager->assignments.items[i], held, &devices);
                if (r < 0)
                        return r;
        }
        return audit_operation(manager->db, operation, devices);
}

static void release_ended(Operation *operation, void *userdata) {
        Manager *manager = userdata;
        bool held = is_still_held(manager, operation);

        for (size_t i = manager->assignments.n_items; i > 0; i--) {
                Assignment *assignment = manager->assignments.items[i - 1];

                if (!gives_back(operation, assignment))
                        continue;
                if (!held) {
                        manager_drop_assignment(manager, assignment->id);
                        continue;
                }
                assignment->state = ASSIGNMENT_ACTIVE;
                if (manager->observer.assignment_changed)
                        manager->observer.assignment_changed(manager->observer.userdata, assignment);
        }
        manager_operation_ended(manager, operation);
}

static void release_changed(Operation *operation, bool stuck_changed, void *userdata) {
        manager_operation_changed(userdata, operation, stuck_changed);
}

static int begin_release(Manager *manager, Operation *operation, const ReleaseSet *set, PlanResult *result) {
        int r;

        if (!operation->request.owner) {
                r = string_copy(set->assignments[0]->owner, &operation->request.owner);
                if (r < 0)
                        return r;
        }
        r = operation_set_groups(operation, result->groups, result->n_groups);
        if (r < 0)
                return r;
        r = operation_set_plan(operation, &result->plan);
        if (r < 0)
                return r;
        operation->keep_going = true;
        operation->owner_may_hold = true;
        r = manager_begin(manager, operation, &result->refusal);
        if (r < 0 || result->refusal.code != REFUSAL_NONE)
                return r;
        for (size_t i = 0; i < set->n_assignments; i++) {
                set->assignments[i]->state = ASSIGNMENT_RELEASING;
                if (manager->observer.assignment_changed)
                        manager->observer.assignment_changed(manager->observer.userdata, set->assignments[i]);
        }
        return 0;
}

static int release_start(Operation *operation, void *userdata, PlanResult *result) {
        _cleanup_(release_set_done) ReleaseSet set = {};
        int r;

        r = release_plan(userdata, &operation->request, &set, result);
        if (r < 0 || result->refusal.code != REFUSAL_NONE)
                return r;
        return begin_release(userdata, operation, &set, result);
}

static const OperationOwner release_owner = {
        .start = release_start,
        .journal_begin = release_journal_begin,
        .settled = release_settled,
        .journal_end = release_journal_end,
        .ended = release_ended,
        .changed = release_changed,
};

int manager_release(Manager *manager, Request *request, Refusal *ret_refusal, Operation **ret) {
        return manager_request(manager, &release_owner, request, NULL, ret_refusal, ret);
}

/* The request as the trail shows it: the assignment's owner and groups. */
static int describe_assignment(const Assignment *assignment, Request *request) {
        int r;

        r = string_copy(assignment->owner, &request->owner);
        for (size_t i = 0; r >= 0 && i < assignment->n_groups; i++) {
                char target[sizeof("group:") + 3 * sizeof(uint32_t)];

                (void) snprintf(target, sizeof(target), "group:%" PRIu32, assignment->groups[i]);
                r = strv_append(&request->targets, target);
        }
        return r;
}

int manager_release_assignment(Manager *manager, uint64_t id, bool wait, Caller *caller, Refusal *ret_refusal, Operation **ret) {
        _cleanup_(request_done) Request request = { .verb = VERB_RELEASE, .caller = *caller, .wait = wait, .assignment = id };
        const Assignment *assignment = manager_find_assignment(manager, id);
        int r;

        *caller = (Caller) {};
        *ret = NULL;
        if (!assignment)
                return refusal_set(ret_refusal, REFUSAL_NO_SUCH_OWNER, "There is no assignment %" PRIu64, id);
        r = describe_assignment(assignment, &request);
        if (r < 0)
                return r;
        return manager_request(manager, &release_owner, &request, NULL, ret_refusal, ret);
}
