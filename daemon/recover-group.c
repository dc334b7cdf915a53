/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/recover-group.h"

#include <string.h>

#include "base/log.h"
#include "base/strutil.h"
#include "daemon/audit.h"
#include "daemon/keeper.h"
#include "daemon/records.h"
#include "daemon/recover-reservation.h"

static int refresh_groups(Manager *manager, char *const *targets) {
        _cleanup_(selection_done) Selection selection = {};
        _cleanup_(blocker_list_done) BlockerList blockers = {};
        _cleanup_(refusal_done) Refusal refusal = {};
        _cleanup_free_ PciAddress *addresses = NULL;
        size_t n = 0;
        int r;

        r = selection_resolve(manager_facts(manager), targets, &selection, &blockers, &refusal);
        for (size_t i = 0; r >= 0 && i < selection.n_groups; i++)
                for (size_t k = 0; r >= 0 && k < selection.groups[i]->n_devices; k++) {
                        PciAddress *more = reallocarray(addresses, n + 1, sizeof(PciAddress));

                        if (!more)
                                return -ENOMEM;
                        addresses = more;
                        addresses[n++] = selection.groups[i]->devices[k]->address;
                }
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = inventory_refresh_device(&manager->inventory, &addresses[i]);
        return r;
}

static int check_groups(const Manager *manager, const Selection *selection, Refusal *refusal) {
        _cleanup_(blocker_list_done) BlockerList blockers = {};
        int r;

        for (size_t i = 0; i < selection->n_groups; i++) {
                r = manager_check_state(manager, selection->groups[i]->number, &blockers);
                if (r < 0)
                        return r;
        }
        blocker_list_drop(&blockers, BLOCKER_OWNED);
        blocker_list_drop(&blockers, BLOCKER_RESERVED);
        blocker_list_drop(&blockers, BLOCKER_QUARANTINED);
        if (blockers.n_items > 0)
                return refusal_from_blockers(refusal, &blockers);
        for (size_t i = 0; i < selection->n_groups; i++) {
                uint32_t number = selection->groups[i]->number;

                if (!manager_group_quarantine(manager, number) && !keeper_find_group(manager, number, &(Keeper) {}))
                        return refusal_set(refusal, REFUSAL_INVALID_ARGUMENT,
                                           "Group %" PRIu32 " is not quarantined and nobody holds it, so there is nothing to recover", number);
        }
        return 0;
}

static int describe(const Selection *selection, PlanResult *result) {
        int r;

        result->groups = calloc(selection->n_groups ?: 1, sizeof(uint32_t));
        if (!result->groups)
                return -ENOMEM;
        for (size_t i = 0; i < selection->n_groups; i++) {
                result->groups[result->n_groups++] = selection->groups[i]->number;
                for (size_t k = 0; k < selection->groups[i]->n_devices; k++) {
                        if (selection->groups[i]->devices[k]->role != ROLE_ENDPOINT)
                                continue;
                        r = strv_append(&result->devices, PCI_ADDRESS_FORMAT(&selection->groups[i]->devices[k]->address));
                        if (r < 0)
                                return r;
                }
        }
        return 0;
}

/* What is to be done, of all groups: two ways, each over all of its records. */
typedef struct Recoverable {
        RecordList held;
        RecordList given_back;
} Recoverable;

static void recoverable_done(Recoverable *recoverable) {
        record_list_done(&recoverable->held);
        record_list_done(&recoverable->given_back);
}

static int add_joined(const Group *group, const Keeper *keeper, RecordList *joined) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < group->n_devices; i++) {
                _cleanup_(record_done) DeviceRecord now = {};

                if (group->devices[i]->role != ROLE_ENDPOINT || record_list_find(keeper->records, &group->devices[i]->address))
                        continue;
                r = record_make(group->devices[i], /* wanted= */ false, VFIO_DRIVER, &now);
                now.is_new = true;
                if (r >= 0)
                        r = record_list_add(joined, &now);
        }
        return r;
}

static int add_held(const Manager *manager, const Group *group, const Keeper *keeper, Recoverable *recoverable, RecordList *joined, char ***differences) {
        _cleanup_(drift_list_done) DriftList drifts = {};
        int r;

        r = add_joined(group, keeper, joined);
        if (r >= 0)
                r = record_list_add_group(&recoverable->held, keeper->records, group->number);
        if (r >= 0)
                r = record_list_add_group(&recoverable->held, joined, group->number);
        if (r >= 0)
                r = drift_find(keeper->records, manager_facts(manager), NULL, 0, &drifts);
        for (size_t i = 0; r >= 0 && i < drifts.n_items; i++)
                if (drifts.items[i].group == group->number)
                        r = strv_append(differences, drifts.items[i].detail);
        return r;
}

static int add_given_back(const Manager *manager, const Group *group, Recoverable *recoverable) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < manager->quarantines.n_items; i++) {
                const Quarantine *quarantine = manager->quarantines.items[i];

                for (size_t k = 0; r >= 0 && quarantine_has_group(quarantine, group) && k < quarantine->records.n_items; k++)
                        r = record_list_add(&recoverable->given_back, &quarantine->records.items[k]);
        }
        return r;
}

static int gather(const Manager *manager, const Selection *selection, Recoverable *recoverable, RecordList *joined, char ***differences) {
        _cleanup_strv_free_ char **more = NULL;
        Keeper keeper;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < selection->n_groups; i++)
                if (keeper_find_group(manager, selection->groups[i]->number, &keeper))
                        r = add_held(manager, selection->groups[i], &keeper, recoverable, joined, differences);
                else
                        r = add_given_back(manager, selection->groups[i], recoverable);
        if (r >= 0)
                r = record_list_compare(&recoverable->given_back, manager_facts(manager), &more);
        for (size_t i = 0; r >= 0 && more && more[i]; i++)
                r = strv_append(differences, more[i]);
        return r;
}

/* Those that may stay, since their devices were on the VFIO driver before: only of these the records say who could open them. */
static int take_nodes(const Manager *manager, const Recoverable *recoverable, Plan *plan) {
        const NodeAccess unknown = node_access_initial();
        _cleanup_(record_list_done) RecordList staying = {};
        int r = 0;

        for (size_t i = 0; r >= 0 && i < recoverable->given_back.n_items; i++)
                if (recoverable->given_back.items[i].node || recoverable->given_back.items[i].group_node)
                        r = record_list_add(&staying, &recoverable->given_back.items[i]);
        return r < 0 ? r : plan_take_nodes_first(plan, &staying, manager_facts(manager), &unknown);
}

static int plan_all(const Manager *manager, const Recoverable *recoverable, Plan *ret) {
        _cleanup_(plan_done) Plan plan = {}, more = {};
        int r;

        r = plan_hold(&recoverable->held, manager_facts(manager), &plan);
        if (r >= 0)
                r = plan_give_back(&recoverable->given_back, manager_facts(manager), &more);
        if (r >= 0)
                r = take_nodes(manager, recoverable, &more);
        if (r >= 0)
                r = plan_append(&plan, &more);
        if (r < 0)
                return r;
        *ret = plan;
        plan = (Plan) {};
        return 0;
}

int recover_group_plan(Manager *manager, const Request *request, RecordList *ret_joined, PlanResult *result) {
        _cleanup_(selection_done) Selection selection = {};
        _cleanup_(blocker_list_done) BlockerList blockers = {};
        _cleanup_(recoverable_done) Recoverable recoverable = {};
        _cleanup_(record_list_done) RecordList joined = {};
        int r;

        if (request->caller.uid != 0)
                return refusal_set(&result->refusal, REFUSAL_DENIED, "Only an administrator may recover a group");
        r = refresh_groups(manager, request->targets);
        if (r >= 0)
                r = selection_resolve(manager_facts(manager), request->targets, &selection, &blockers, &result->refusal);
        if (r < 0 || result->refusal.code != REFUSAL_NONE)
                return r;
        if (blockers.n_items > 0)
                return refusal_from_blockers(&result->refusal, &blockers);
        r = describe(&selection, result);
        if (r >= 0)
                r = check_groups(manager, &selection, &result->refusal);
        if (r < 0 || result->refusal.code != REFUSAL_NONE)
                return r;
        r = gather(manager, &selection, &recoverable, &joined, &result->differences);
        if (r >= 0)
                r = plan_all(manager, &recoverable, &result->plan);
        if (r < 0)
                return r;
        *ret_joined = joined;
        joined = (RecordList) {};
        return 0;
}

/* Of a group that an earlier boot reserved, and that could not be put into the kernel of this one; NULL: it is not. */
static Reservation *reservation_of_another_boot(const Manager *manager, uint32_t group) {
        Reservation *reservation;
        Keeper keeper;

        if (!keeper_find_group(manager, group, &keeper) || keeper.reservation == 0)
                return NULL;
        reservation = reservation_table_find(&manager->reservations, keeper.reservation);
        return reservation && !reservation->of_this_boot ? reservation : NULL;
}

/* What is given back in the end is what this boot had. */
static int take_reservations_anew(Manager *manager, const Operation *operation) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < operation->n_groups; i++) {
                Reservation *reservation = reservation_of_another_boot(manager, operation->groups[i]);

                if (reservation)
                        r = recovery_take_reservation_anew(manager, reservation);
        }
        return r;
}

static void note_taken_anew(Manager *manager, const Operation *operation) {
        for (size_t i = 0; i < operation->n_groups; i++) {
                Reservation *reservation = reservation_of_another_boot(manager, operation->groups[i]);

                if (reservation)
                        reservation->of_this_boot = true;
        }
}

static int journal_begin_of(Manager *manager, Operation *operation, uint32_t group) {
        const Reservation *reservation = reservation_of_another_boot(manager, group);
        Keeper keeper;

        if (reservation)
                return records_journal_renewal(manager->db, reservation);
        if (!keeper_find_group(manager, group, &keeper))
                return 0;
        operation->assignment = keeper.assignment;
        return keeper_journal_new_records(manager->db, &keeper);
}

static int recover_journal_begin(Operation *operation, void *userdata) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < operation->n_groups; i++)
                r = journal_begin_of(userdata, operation, operation->groups[i]);
        return r;
}

static void refresh_all(Manager *manager, const Operation *operation) {
        for (size_t i = 0; i < operation->plan.n_steps; i++)
                if (inventory_refresh_device(&manager->inventory, &operation->plan.steps[i].address) < 0)
                        log_warning("Failed to look at %s afresh", PCI_ADDRESS_FORMAT(&operation->plan.steps[i].address));
}

/* A keeper's group whose isolation is still endangered stays closed. */
static void refuse_what_is_not_isolated(const Manager *manager, const Keeper *keeper, uint32_t group, Operation *operation) {
        _cleanup_(drift_list_done) DriftList drifts = {};

        if (drift_find(keeper->records, manager_facts(manager), NULL, 0, &drifts) < 0) {
                (void) refusal_set(&operation->outcome, REFUSAL_FAILED, "There is no memory to see whether group %" PRIu32 " is isolated", group);
                return;
        }
        for (size_t i = 0; i < drifts.n_items && operation->outcome.code == REFUSAL_NONE; i++)
                if (drifts.items[i].isolation_at_stake && drifts.items[i].group == group) {
                        free(TAKE_PTR(operation->outcome.message));
                        (void) refusal_set(&operation->outcome, REFUSAL_FAILED, "Group %" PRIu32 " stays quarantined: %s", group, drifts.items[i].detail);
                }
}

static void recover_settled(Operation *operation, void *userdata) {
        Manager *manager = userdata;
        Recoverable recoverable = {};

        refresh_all(manager, operation);
        for (size_t i = 0; i < operation->n_groups; i++) {
                const Group *group = facts_find_group(manager_facts(manager), operation->groups[i]);
                Keeper keeper;

                if (keeper_find_group(manager, operation->groups[i], &keeper))
                        refuse_what_is_not_isolated(manager, &keeper, operation->groups[i], operation);
                else if (group)
                        (void) add_given_back(manager, group, &recoverable);
        }
        records_note_differences(manager, &recoverable.given_back, operation);
        recoverable_done(&recoverable);
}

static int journal_end_of(Manager *manager, const Operation *operation, const Group *group) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < manager->quarantines.n_items; i++)
                if (quarantine_has_group(manager->quarantines.items[i], group))
                        r = quarantine_journal_end(manager->db, manager->quarantines.items[i], operation->finished_usec, "recovered");
        return r == -ENOENT ? 0 : r; /* one that two of the groups share has ended with the first */
}

static int recover_journal_end(Operation *operation, void *userdata) {
        Manager *manager = userdata;
        _cleanup_strv_free_ char **devices = NULL;
        int r = 0;

        for (size_t i = 0; i < operation->n_groups; i++) {
                const Group *group = facts_find_group(manager_facts(manager), operation->groups[i]);

                for (size_t k = 0; r >= 0 && group && k < group->n_devices; k++)
                        r = strv_append(&devices, PCI_ADDRESS_FORMAT(&group->devices[k]->address));
                if (r >= 0 && group && operation->state == OPERATION_DONE)
                        r = journal_end_of(manager, operation, group);
                if (r < 0)
                        return r;
        }
        return audit_operation(manager->db, operation, devices);
}

static void recover_ended(Operation *operation, void *userdata) {
        Manager *manager = userdata;

        for (size_t i = 0; operation->state == OPERATION_DONE && i < operation->n_groups; i++) {
                const Group *group = facts_find_group(manager_facts(manager), operation->groups[i]);

                if (group)
                        quarantine_table_drop_group(&manager->quarantines, group);
        }
        manager_operation_ended(manager, operation);
}

static void recover_changed(Operation *operation, bool stuck_changed, void *userdata) {
        manager_operation_changed(userdata, operation, stuck_changed);
}

/* To their keepers; on an error those that were added already are dropped with the operation. */
static int give_joined(Manager *manager, const RecordList *joined) {
        Keeper keeper;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < joined->n_items; i++)
                if (keeper_find_group(manager, joined->items[i].group, &keeper))
                        r = record_list_add(keeper.records, &joined->items[i]);
        return r;
}

static void settle_joined(Manager *manager, const RecordList *joined, bool keep) {
        Keeper keeper;

        for (size_t i = 0; i < joined->n_items; i++)
                if (keeper_find_group(manager, joined->items[i].group, &keeper))
                        (keep ? keeper_keep_new_records : keeper_drop_new_records)(&keeper);
}

static int recover_start(Operation *operation, void *userdata, PlanResult *result) {
        _cleanup_(record_list_done) RecordList joined = {};
        Manager *manager = userdata;
        bool begun;
        int r;

        r = recover_group_plan(manager, &operation->request, &joined, result);
        if (r < 0 || result->refusal.code != REFUSAL_NONE)
                return r;
        r = operation_set_groups(operation, result->groups, result->n_groups);
        if (r >= 0)
                r = operation_set_plan(operation, &result->plan);
        if (r < 0)
                return r;
        operation->keep_going = true;
        r = take_reservations_anew(manager, operation);
        if (r >= 0)
                r = give_joined(manager, &joined);
        if (r >= 0)
                r = manager_begin(manager, operation, &result->refusal);
        begun = r >= 0 && result->refusal.code == REFUSAL_NONE;
        settle_joined(manager, &joined, begun);
        if (begun)
                note_taken_anew(manager, operation);
        return r;
}

static const OperationOwner recover_group_owner = {
        .start = recover_start,
        .journal_begin = recover_journal_begin,
        .settled = recover_settled,
        .journal_end = recover_journal_end,
        .ended = recover_ended,
        .changed = recover_changed,
};

int manager_recover(Manager *manager, Request *request, Refusal *ret_refusal, Operation **ret) {
        return manager_request(manager, &recover_group_owner, request, NULL, ret_refusal, ret);
}
