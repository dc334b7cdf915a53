/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/strutil.h"
#include "daemon/audit.h"
#include "daemon/claim.h"
#include "daemon/failed-undo.h"
#include "daemon/records.h"
#include "db/reservation.h"

/* Nobody else's reservation of these groups can be half-way while the operation holds them. */
static bool is_made_by(const Reservation *reservation, const Operation *operation) {
        return reservation->state == RESERVATION_RESERVING && operation_has_group(operation, reservation->groups[0]);
}

/* All records of what the operation makes, borrowed: free only `items`. */
static int made_records(const Operation *operation, RecordList *ret) {
        const Manager *manager = operation->userdata;
        const ReservationTable *table = &manager->reservations;
        RecordList records = {};
        size_t n = 0;

        for (size_t i = 0; i < table->n_items; i++)
                n += table->items[i]->records.n_items;
        records.items = calloc(n ?: 1, sizeof(DeviceRecord));
        if (!records.items)
                return -ENOMEM;
        for (size_t i = 0; i < table->n_items; i++)
                for (size_t k = 0; is_made_by(table->items[i], operation) && k < table->items[i]->records.n_items; k++)
                        records.items[records.n_items++] = table->items[i]->records.items[k];
        *ret = records;
        return 0;
}

static int reserve_journal_begin(Operation *operation, void *userdata) {
        Manager *manager = userdata;

        for (size_t i = 0; i < manager->reservations.n_items; i++) {
                Reservation *reservation = manager->reservations.items[i];
                int r;

                if (!is_made_by(reservation, operation))
                        continue;
                r = records_journal_reservation(manager->db, reservation);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int reserve_plan_undo(Operation *operation, void *userdata, Plan *ret) {
        _cleanup_free_ DeviceRecord *items = NULL;
        RecordList records;
        int r;

        r = made_records(operation, &records);
        if (r < 0)
                return r;
        items = records.items;
        manager_refresh_devices(userdata, &records);
        return plan_give_back(&records, manager_facts(userdata), ret);
}

static void reserve_settled(Operation *operation, void *userdata) {
        Manager *manager = userdata;

        for (size_t i = 0; i < manager->reservations.n_items; i++) {
                const Reservation *reservation = manager->reservations.items[i];

                if (!is_made_by(reservation, operation))
                        continue;
                manager_refresh_devices(manager, &reservation->records);
                if (operation->state != OPERATION_DONE)
                        records_note_differences(manager, &reservation->records, operation);
        }
}

static int reserve_journal_end(Operation *operation, void *userdata) {
        Manager *manager = userdata;
        _cleanup_strv_free_ char **devices = NULL;
        bool done = operation->state == OPERATION_DONE;
        int r;

        for (size_t i = 0; i < manager->reservations.n_items; i++) {
                const Reservation *reservation = manager->reservations.items[i];

                if (!is_made_by(reservation, operation))
                        continue;
                r = db_reservation_set_state(manager->db, (int64_t) reservation->id, done ? "active" : "undone", done ? 0 : operation->finished_usec,
                                             done ? NULL : operation->outcome.message);
                if (r >= 0 && !done)
                        r = failed_undo_quarantine(manager, operation, &reservation->records, /* all_steps= */ false);
                for (size_t k = 0; r >= 0 && k < reservation->records.n_items; k++)
                        r = strv_append(&devices, PCI_ADDRESS_FORMAT(&reservation->records.items[k].address));
                if (r < 0)
                        return r;
        }
        return audit_operation(manager->db, operation, devices);
}

static void drop_made(Manager *manager, const Operation *operation) {
        for (size_t i = manager->reservations.n_items; i > 0; i--)
                if (is_made_by(manager->reservations.items[i - 1], operation))
                        manager_drop_reservation(manager, manager->reservations.items[i - 1]);
}

static void reserve_ended(Operation *operation, void *userdata) {
        Manager *manager = userdata;

        if (operation->state != OPERATION_DONE)
                drop_made(manager, operation);
        for (size_t i = 0; i < manager->reservations.n_items; i++)
                if (is_made_by(manager->reservations.items[i], operation))
                        manager->reservations.items[i]->state = RESERVATION_ACTIVE;
        manager_operation_ended(manager, operation);
}

static void reserve_changed(Operation *operation, bool stuck_changed, void *userdata) {
        manager_operation_changed(userdata, operation, stuck_changed);
}

static int add_reservation(Manager *manager, uid_t uid, const RecordList *all, uint32_t group) {
        _cleanup_(record_list_done) RecordList records = {};
        _cleanup_(reservation_freep) Reservation *reservation = NULL;
        int r;

        r = record_list_add_group(&records, all, group);
        if (r < 0)
                return r;
        r = reservation_new(uid, &records, &reservation);
        if (r < 0)
                return r;
        reservation->id = UINT64_MAX;
        r = reservation_table_add(&manager->reservations, reservation);
        if (r < 0)
                return r;
        TAKE_PTR(reservation);
        return 0;
}

/* One for each group, so that each can be unreserved by itself. */
static int add_reservations(Manager *manager, uid_t uid, const RecordList *records) {
        _cleanup_free_ uint32_t *groups = NULL;
        size_t n_groups;
        int r;

        r = record_list_groups(records, &groups, &n_groups);
        for (size_t i = 0; r >= 0 && i < n_groups; i++)
                r = add_reservation(manager, uid, records, groups[i]);
        return r;
}

/* The table holds the new reservations from here on; without ids until their rows are inserted. */
static int begin_reservations(Manager *manager, Operation *operation, const RecordList *records, PlanResult *result) {
        int r;

        r = operation_set_groups(operation, result->groups, result->n_groups);
        if (r < 0)
                return r;
        r = operation_set_plan(operation, &result->plan);
        if (r < 0)
                return r;
        blocker_list_done(&operation->overridden);
        operation->overridden = result->overridden;
        result->overridden = (BlockerList) {};
        r = add_reservations(manager, operation->request.caller.uid, records);
        if (r >= 0)
                r = manager_begin(manager, operation, &result->refusal);
        if (r < 0 || result->refusal.code != REFUSAL_NONE)
                drop_made(manager, operation);
        return r;
}

static int reserve_start(Operation *operation, void *userdata, PlanResult *result) {
        _cleanup_(record_list_done) RecordList records = {};
        int r;

        r = claim_plan(userdata, &operation->request, &records, result);
        if (r < 0 || result->refusal.code != REFUSAL_NONE)
                return r;
        return begin_reservations(userdata, operation, &records, result);
}

static const OperationOwner reserve_owner = {
        .start = reserve_start,
        .journal_begin = reserve_journal_begin,
        .plan_undo = reserve_plan_undo,
        .settled = reserve_settled,
        .journal_end = reserve_journal_end,
        .ended = reserve_ended,
        .changed = reserve_changed,
};

int manager_reserve(Manager *manager, Request *request, Refusal *ret_refusal, Operation **ret) {
        return manager_request(manager, &reserve_owner, request, NULL, ret_refusal, ret);
}
