/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/strutil.h"
#include "daemon/audit.h"
#include "daemon/records.h"
#include "daemon/permit.h"
#include "daemon/reserve.h"
#include "db/reservation.h"

void unreserve_set_done(UnreserveSet *set) {
        free(set->items);
        *set = (UnreserveSet) {};
}

static int set_add(UnreserveSet *set, Reservation *reservation) {
        Reservation **items;

        for (size_t i = 0; i < set->n_items; i++)
                if (set->items[i] == reservation)
                        return 0;
        items = reallocarray(set->items, set->n_items + 1, sizeof(Reservation *));
        if (!items)
                return -ENOMEM;
        items[set->n_items++] = reservation;
        set->items = items;
        return 0;
}

/* A reboot can have brought the devices of several reservations into one group. */
static int set_add_group(const Manager *manager, uint32_t group, UnreserveSet *set) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < manager->reservations.n_items; i++)
                if (reservation_has_group(manager->reservations.items[i], group))
                        r = set_add(set, manager->reservations.items[i]);
        return r;
}

/* An address says what is there now; where nothing is, what was. */
static int set_add_target(const Manager *manager, const Target *target, UnreserveSet *set, Refusal *refusal) {
        const Device *device = target->is_group ? NULL : facts_find_device(manager_facts(manager), &target->address);
        uint32_t group = device ? device->group : target->group;
        Reservation *gone;
        size_t before = set->n_items;
        int r;

        if (target->is_group && !facts_find_group(manager_facts(manager), group))
                return refusal_set(refusal, REFUSAL_NO_SUCH_GROUP, "There is no group %" PRIu32, group);
        if (group != GROUP_NONE && reservation_table_find_group(&manager->reservations, group))
                return set_add_group(manager, group, set);
        gone = target->is_group ? NULL : reservation_table_find_device(&manager->reservations, &target->address);
        r = gone ? set_add(set, gone) : 0;
        if (r < 0 || gone || set->n_items > before)
                return r;
        if (!target->is_group && !device)
                return refusal_set(refusal, REFUSAL_NO_SUCH_DEVICE, "There is no device %s, and none is reserved", PCI_ADDRESS_FORMAT(&target->address));
        if (target->is_group)
                return refusal_set(refusal, REFUSAL_NO_SUCH_OWNER, "Group %" PRIu32 " is not reserved", group);
        return refusal_set(refusal, REFUSAL_NO_SUCH_OWNER, "%s is not reserved", PCI_ADDRESS_FORMAT(&target->address));
}

static int set_from_targets(const Manager *manager, char *const *targets, UnreserveSet *set, Refusal *refusal) {
        for (size_t i = 0; targets[i]; i++) {
                Target target;
                int r;

                if (target_parse(targets[i], &target) < 0)
                        return target_refuse(targets[i], refusal);
                r = set_add_target(manager, &target, set, refusal);
                if (r < 0 || refusal->code != REFUSAL_NONE)
                        return r;
        }
        return 0;
}

static int check_set(const Manager *manager, const Request *request, const UnreserveSet *set, const RecordList *records, Refusal *refusal) {
        _cleanup_(blocker_list_done) BlockerList blockers = {};
        int r;

        for (size_t i = 0; i < set->n_items; i++) {
                const Reservation *reservation = set->items[i];

                r = permit_reservation(manager, request, reservation, &blockers);
                if (r < 0)
                        return r;
                for (size_t g = 0; g < reservation->n_groups; g++) {
                        r = manager_check_state(manager, reservation->groups[g], &blockers);
                        if (r < 0)
                                return r;
                }
                if (reservation->n_groups == 0 && reservation->state != RESERVATION_ACTIVE)
                        return refusal_set(refusal, REFUSAL_BUSY, "Reservation %" PRIu64 " is ending already", reservation->id);
        }
        r = manager_check_vfs_unused(manager, records, &blockers);
        if (r < 0)
                return r;
        blocker_list_drop(&blockers, BLOCKER_QUARANTINED); /* it stays closed for others afterwards */
        return blockers.n_items > 0 ? refusal_from_blockers(refusal, &blockers) : 0;
}

/* All records of the set, borrowed: free only `items`. */
static int set_records(const UnreserveSet *set, RecordList *ret) {
        RecordList records = {};
        size_t n = 0;

        for (size_t i = 0; i < set->n_items; i++)
                n += set->items[i]->records.n_items;
        records.items = calloc(n ?: 1, sizeof(DeviceRecord));
        if (!records.items)
                return -ENOMEM;
        for (size_t i = 0; i < set->n_items; i++)
                for (size_t k = 0; k < set->items[i]->records.n_items; k++)
                        records.items[records.n_items++] = set->items[i]->records.items[k];
        *ret = records;
        return 0;
}

int unreserve_plan(Manager *manager, const Request *request, UnreserveSet *ret_set, PlanResult *result) {
        _cleanup_(unreserve_set_done) UnreserveSet set = {};
        _cleanup_free_ DeviceRecord *items = NULL;
        RecordList records;
        int r;

        r = set_from_targets(manager, request->targets, &set, &result->refusal);
        if (r < 0 || result->refusal.code != REFUSAL_NONE)
                return r;
        r = set_records(&set, &records);
        if (r < 0)
                return r;
        items = records.items;
        r = record_list_groups(&records, &result->groups, &result->n_groups);
        if (r >= 0)
                r = records_addresses(&records, &result->devices);
        if (r >= 0)
                r = check_set(manager, request, &set, &records, &result->refusal);
        if (r < 0 || result->refusal.code != REFUSAL_NONE)
                return r;
        manager_refresh_devices(manager, &records);
        r = plan_give_back(&records, manager_facts(manager), &result->plan);
        if (r >= 0)
                r = plan_check_holders_first(&result->plan, NULL, 0, request->wait ? PLAN_WAIT : NULL);
        if (r < 0)
                return r;
        *ret_set = set;
        set = (UnreserveSet) {};
        return 0;
}

/* Of one whose devices are all gone there is no group that could be held. */
static bool gives_back(const Operation *operation, const Reservation *reservation) {
        return reservation->state == RESERVATION_RELEASING && (reservation->n_groups == 0 || operation_has_group(operation, reservation->groups[0]));
}

static int unreserve_journal_begin(Operation *operation, void *userdata) {
        Manager *manager = userdata;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < manager->reservations.n_items; i++)
                if (gives_back(operation, manager->reservations.items[i]))
                        r = db_reservation_set_state(manager->db, (int64_t) manager->reservations.items[i]->id, "releasing", 0, NULL);
        return r;
}

static void unreserve_settled(Operation *operation, void *userdata) {
        Manager *manager = userdata;

        if (blocker_list_contains(&operation->outcome.blockers, BLOCKER_IN_USE_OPEN)) /* nothing was begun */
                return;
        for (size_t i = 0; i < manager->reservations.n_items; i++) {
                const Reservation *reservation = manager->reservations.items[i];

                if (!gives_back(operation, reservation))
                        continue;
                manager_refresh_devices(manager, &reservation->records);
                records_note_differences(manager, &reservation->records, operation);
        }
}

/* What the kernel did not let go stays reserved, all of it: nothing has gone to its host driver then. */
static bool is_still_held(const Manager *manager, const Operation *operation, const Reservation *reservation) {
        return records_are_held(manager, &reservation->records, operation);
}

static int unreserve_journal_end(Operation *operation, void *userdata) {
        Manager *manager = userdata;
        _cleanup_strv_free_ char **devices = NULL;
        int r;

        for (size_t i = 0; i < manager->reservations.n_items; i++) {
                const Reservation *reservation = manager->reservations.items[i];
                bool held = is_still_held(manager, operation, reservation);

                if (!gives_back(operation, reservation))
                        continue;
                r = db_reservation_set_state(manager->db, (int64_t) reservation->id, held ? "active" : "ended", held ? 0 : operation->finished_usec,
                                             held ? NULL : operation->outcome.message);
                for (size_t k = 0; r >= 0 && k < reservation->records.n_items; k++)
                        r = strv_append(&devices, PCI_ADDRESS_FORMAT(&reservation->records.items[k].address));
                if (r < 0)
                        return r;
        }
        return audit_operation(manager->db, operation, devices);
}

static void unreserve_ended(Operation *operation, void *userdata) {
        Manager *manager = userdata;

        for (size_t i = manager->reservations.n_items; i > 0; i--) {
                Reservation *reservation = manager->reservations.items[i - 1];

                if (!gives_back(operation, reservation))
                        continue;
                if (is_still_held(manager, operation, reservation))
                        reservation->state = RESERVATION_ACTIVE;
                else
                        manager_drop_reservation(manager, reservation);
        }
        manager_operation_ended(manager, operation);
}

static void unreserve_changed(Operation *operation, bool stuck_changed, void *userdata) {
        manager_operation_changed(userdata, operation, stuck_changed);
}

static void set_state(const UnreserveSet *set, ReservationState state) {
        for (size_t i = 0; i < set->n_items; i++)
                set->items[i]->state = state;
}

static int unreserve_start(Operation *operation, void *userdata, PlanResult *result) {
        _cleanup_(unreserve_set_done) UnreserveSet set = {};
        int r;

        r = unreserve_plan(userdata, &operation->request, &set, result);
        if (r < 0 || result->refusal.code != REFUSAL_NONE)
                return r;
        r = operation_set_groups(operation, result->groups, result->n_groups);
        if (r < 0)
                return r;
        r = operation_set_plan(operation, &result->plan);
        if (r < 0)
                return r;
        operation->keep_going = true;
        operation->owner_may_hold = true;
        set_state(&set, RESERVATION_RELEASING);
        r = manager_begin(userdata, operation, &result->refusal);
        if (r < 0 || result->refusal.code != REFUSAL_NONE)
                set_state(&set, RESERVATION_ACTIVE);
        return r;
}

static const OperationOwner unreserve_owner = {
        .start = unreserve_start,
        .journal_begin = unreserve_journal_begin,
        .settled = unreserve_settled,
        .journal_end = unreserve_journal_end,
        .ended = unreserve_ended,
        .changed = unreserve_changed,
};

int manager_unreserve(Manager *manager, Request *request, Refusal *ret_refusal, Operation **ret) {
        return manager_request(manager, &unreserve_owner, request, NULL, ret_refusal, ret);
}
