/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/recover-reservation.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/strutil.h"
#include "daemon/audit.h"
#include "daemon/claim.h"
#include "daemon/failed-undo.h"
#include "daemon/host-guard.h"
#include "daemon/records.h"
#include "daemon/recover-internal.h"
#include "db/reservation.h"

static int on_reservation(const DbReservation *row, const DbRecord *rows, size_t n_rows, void *userdata) {
        Manager *manager = userdata;
        _cleanup_(reservation_freep) Reservation *reservation = NULL;
        _cleanup_(record_list_done) RecordList records = {};
        int r;

        r = records_load(rows, n_rows, &records);
        if (r < 0)
                return r;
        r = reservation_new((uid_t) row->caller_uid, &records, &reservation);
        if (r < 0)
                return r;
        reservation->id = (uint64_t) row->id;
        reservation->created_usec = row->created_usec;
        reservation->state = reservation_state_from_string(row->state);
        if (reservation->state < 0)
                return -EBADMSG;
        reservation->of_this_boot = string_equal(row->boot_id, db_boot_id(manager->db));
        reservation->left_half_way = reservation->state != RESERVATION_ACTIVE;
        reservation->to_renew = !reservation->left_half_way && !reservation->of_this_boot;
        r = reservation_table_add(&manager->reservations, reservation);
        if (r < 0)
                return r;
        TAKE_PTR(reservation);
        return 0;
}

int recovery_load_reservations(Manager *manager) {
        return db_reservation_foreach_open(manager->db, on_reservation, manager);
}

static bool needs_recovery(const Reservation *reservation) {
        return reservation->left_half_way || reservation->to_renew;
}

bool recovery_needs_group(const Manager *manager, Verb verb, uint32_t number) {
        for (size_t i = 0; i < manager->reservations.n_items; i++) {
                const Reservation *reservation = manager->reservations.items[i];

                if (reservation->of_this_boot && needs_recovery(reservation) && reservation_has_group(reservation, number))
                        return verb == VERB_RESERVE || verb == VERB_UNRESERVE || verb == VERB_RECOVER;
        }
        return false;
}

void recovery_note_reserve(Manager *manager, uint32_t number) {
        for (size_t i = 0; i < manager->reservations.n_items; i++) {
                Reservation *reservation = manager->reservations.items[i];

                if (reservation->state == RESERVATION_ACTIVE && reservation->of_this_boot && reservation_has_group(reservation, number))
                        reservation->to_renew = true;
        }
}

static bool is_over(const Reservation *reservation) {
        return !reservation->of_this_boot && reservation->left_half_way;
}

static int end_without_operation(Manager *manager, const Reservation *reservation, const char *reason) {
        _cleanup_strv_free_ char **devices = NULL;
        bool undone = reservation->state == RESERVATION_RESERVING;
        int r;

        r = db_reservation_set_state(manager->db, (int64_t) reservation->id, undone ? "undone" : "ended", realtime_usec(), reason);
        if (r < 0)
                return r;
        r = records_addresses(&reservation->records, &devices);
        if (r < 0)
                return r;
        return audit_reservation(manager->db, VERB_UNRESERVE, devices, reason);
}

int recovery_end_rebooted_reservations(Manager *manager) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < manager->reservations.n_items; i++)
                if (is_over(manager->reservations.items[i]))
                        r = end_without_operation(manager, manager->reservations.items[i], REASON_REBOOT);
        return r;
}

void recovery_drop_rebooted_reservations(Manager *manager) {
        for (size_t i = manager->reservations.n_items; i > 0; i--)
                if (is_over(manager->reservations.items[i - 1]))
                        manager_drop_reservation(manager, manager->reservations.items[i - 1]);
}

/* The records of all others, borrowed: free only `items`. */
static int records_of_others(const Manager *manager, const Reservation *reservation, RecordList *ret) {
        const ReservationTable *table = &manager->reservations;
        RecordList records = {};
        size_t n = 0;

        for (size_t i = 0; i < table->n_items; i++)
                n += table->items[i]->records.n_items;
        records.items = calloc(n ?: 1, sizeof(DeviceRecord));
        if (!records.items)
                return -ENOMEM;
        for (size_t i = 0; i < table->n_items; i++)
                for (size_t k = 0; table->items[i] != reservation && k < table->items[i]->records.n_items; k++)
                        records.items[records.n_items++] = table->items[i]->records.items[k];
        *ret = records;
        return 0;
}

static int renew_records(const Manager *manager, const Reservation *reservation, RecordList *ret_kept, RecordList *ret_present) {
        _cleanup_free_ DeviceRecord *items = NULL;
        RecordList others;
        int r;

        r = records_of_others(manager, reservation, &others);
        if (r < 0)
                return r;
        items = others.items;
        return record_list_renew(&reservation->records, &others, manager_facts(manager), ret_kept, ret_present);
}

int recovery_take_reservation_anew(Manager *manager, Reservation *reservation) {
        _cleanup_(record_list_done) RecordList kept = {}, present = {};
        int r;

        manager_refresh_devices(manager, &reservation->records);
        r = renew_records(manager, reservation, &kept, &present);
        return r < 0 ? r : reservation_set_records(reservation, &kept);
}

int recovery_locate_reservations(Manager *manager) {
        for (size_t i = 0; i < manager->reservations.n_items; i++) {
                Reservation *reservation = manager->reservations.items[i];
                int r;

                if (reservation->of_this_boot)
                        continue;
                for (size_t k = 0; k < reservation->records.n_items; k++) {
                        DeviceRecord *record = &reservation->records.items[k];
                        const Device *device = facts_find_device(manager_facts(manager), &record->address);

                        record->group = device && pci_identity_equal(&device->identity, &record->identity) ? device->group : GROUP_NONE;
                }
                free(reservation->groups);
                reservation->groups = NULL;
                reservation->n_groups = 0;
                r = record_list_groups(&reservation->records, &reservation->groups, &reservation->n_groups);
                if (r < 0)
                        return r;
        }
        return 0;
}

static Reservation *operation_reservation(const Operation *operation) {
        const Manager *manager = operation->userdata;

        return reservation_table_find(&manager->reservations, operation->reservation);
}

static void give_back_settled(Operation *operation, void *userdata) {
        const Reservation *reservation = operation_reservation(operation);

        manager_refresh_devices(userdata, &reservation->records);
        records_note_differences(userdata, &reservation->records, operation);
}

static int give_back_journal_end(Operation *operation, void *userdata) {
        Manager *manager = userdata;
        const Reservation *reservation = operation_reservation(operation);
        _cleanup_strv_free_ char **devices = NULL;
        int r;

        r = db_reservation_set_state(manager->db, (int64_t) reservation->id, reservation->state == RESERVATION_RESERVING ? "undone" : "ended",
                                     operation->finished_usec, operation->outcome.message);
        if (r >= 0 && reservation->state == RESERVATION_RESERVING)
                r = failed_undo_quarantine(manager, operation, &reservation->records, /* all_steps= */ true);
        if (r < 0)
                return r;
        r = records_addresses(&reservation->records, &devices);
        if (r < 0)
                return r;
        return audit_operation(manager->db, operation, devices);
}

static void give_back_ended(Operation *operation, void *userdata) {
        manager_drop_reservation(userdata, operation_reservation(operation));
        recovery_operation_ended(operation, userdata);
}

static const OperationOwner give_back_owner = {
        .journal_begin = recovery_journal_begin,
        .settled = give_back_settled,
        .journal_end = give_back_journal_end,
        .ended = give_back_ended,
        .changed = recovery_operation_changed,
};

static int renew_journal_begin(Operation *operation, void *userdata) {
        Manager *manager = userdata;
        int r;

        r = records_journal_renewal(manager->db, operation_reservation(operation));
        return r < 0 ? r : recovery_journal_begin(operation, userdata);
}

/* Who is missing is told where the operation's end is told of. */
static void note_missing(const Manager *manager, const Reservation *reservation, char ***sentences) {
        int r;

        r = record_list_missing(&reservation->records, manager_facts(manager), sentences);
        if (r < 0)
                log_error_errno(r, "Failed to compare the host with reservation %" PRIu64 ": %m", reservation->id);
        for (size_t i = 0; *sentences && (*sentences)[i]; i++)
                log_warning("Reservation %" PRIu64 ": %s", reservation->id, (*sentences)[i]);
}

static void renew_settled(Operation *operation, void *userdata) {
        _cleanup_strv_free_ char **sentences = NULL;
        const Reservation *reservation = operation_reservation(operation);

        manager_refresh_devices(userdata, &reservation->records);
        note_missing(userdata, reservation, &sentences);
        for (size_t i = 0; sentences && sentences[i]; i++)
                records_add_remark(operation, sentences[i]);
}

static int renew_journal_end(Operation *operation, void *userdata) {
        Manager *manager = userdata;
        _cleanup_strv_free_ char **devices = NULL;
        int r;

        r = records_addresses(&operation_reservation(operation)->records, &devices);
        if (r < 0)
                return r;
        return audit_operation(manager->db, operation, devices);
}

static void renew_ended(Operation *operation, void *userdata) {
        operation_reservation(operation)->to_renew = false;
        recovery_operation_ended(operation, userdata);
}

/* A step that fails spoils its own device: the others are better kept off the host than given back. */
static const OperationOwner renew_owner = {
        .journal_begin = renew_journal_begin,
        .settled = renew_settled,
        .journal_end = renew_journal_end,
        .ended = renew_ended,
        .changed = recovery_operation_changed,
};

static int submit(Manager *manager, const OperationOwner *owner, Verb verb, const Reservation *reservation, Plan *plan, Refusal *refusal) {
        _cleanup_(operation_freep) Operation *operation = NULL;
        Request request = { .verb = verb };
        int r;

        r = records_addresses(&reservation->records, &request.targets);
        if (r < 0)
                return r;
        r = operation_new(&manager->context, owner, manager, &request, &operation);
        if (r < 0)
                return r;
        r = operation_set_groups(operation, reservation->groups, reservation->n_groups);
        if (r < 0)
                return r;
        r = operation_set_plan(operation, plan);
        if (r < 0)
                return r;
        operation->keep_going = true;
        operation->reservation = reservation->id;
        return recovery_submit(manager->recovery, &operation, refusal);
}

static int begin_give_back(Manager *manager, Reservation *reservation) {
        _cleanup_(plan_done) Plan plan = {};
        _cleanup_(refusal_done) Refusal refusal = {};
        int r;

        log_notice("Recovering reservation %" PRIu64 ", which was %s when the daemon ended", reservation->id,
                   reservation_state_to_string(reservation->state));
        manager_refresh_devices(manager, &reservation->records);
        r = plan_give_back(&reservation->records, manager_facts(manager), &plan);
        if (r < 0)
                return r;
        r = submit(manager, &give_back_owner, VERB_RECOVER, reservation, &plan, &refusal);
        if (r < 0 || refusal.code == REFUSAL_NONE)
                return r;
        log_error("Reservation %" PRIu64 " cannot be recovered: %s", reservation->id, refusal.message ?: "no memory");
        return -EIO;
}

static int check_group(const Manager *manager, uint32_t number, BlockerList *blockers) {
        Group *group = facts_find_group(manager_facts(manager), number);
        int r;

        r = claim_check_group(manager, group, blockers);
        return r < 0 ? r : host_guard_check_use(manager, &group, 1, blockers);
}

/* What had to be gone past when it was reserved is gone past again; but not what the host does with its devices now. */
static int go_past(BlockerList *blockers) {
        static const BlockerCode codes[] = { BLOCKER_IDENTITY_DOMAIN, BLOCKER_UNSAFE_INTERRUPTS, BLOCKER_NO_RESET, BLOCKER_FOREIGN_MANAGER };
        _cleanup_(blocker_list_done) BlockerList gone_past = {};
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(codes); i++)
                r = blocker_list_override(blockers, codes[i], &gone_past);
        return r;
}

static int check_groups(const Manager *manager, const RecordList *present, Refusal *refusal) {
        _cleanup_(blocker_list_done) BlockerList blockers = {};
        _cleanup_free_ uint32_t *groups = NULL;
        size_t n_groups;
        int r;

        r = record_list_groups(present, &groups, &n_groups);
        for (size_t i = 0; r >= 0 && i < n_groups; i++)
                r = check_group(manager, groups[i], &blockers);
        if (r >= 0)
                r = go_past(&blockers);
        if (r < 0)
                return r;
        return blockers.n_items > 0 ? refusal_from_blockers(refusal, &blockers) : 0;
}

static int audit_renewal_refusal(Manager *manager, const Reservation *reservation, const Refusal *refusal) {
        _cleanup_(request_done) Request request = { .verb = VERB_RESERVE };
        int r;

        r = records_addresses(&reservation->records, &request.targets);
        if (r < 0)
                return r;
        return audit_refusal(manager->db, &request, request.targets, reservation->groups, reservation->n_groups, refusal);
}

/* The rows are to have what was recorded before, if this was begun in this boot already: an override of ours may be there by now. */
static int submit_renewal(Manager *manager, Reservation *reservation, RecordList *kept, const RecordList *present, Refusal *refusal) {
        _cleanup_(plan_done) Plan plan = {};
        bool was_of_this_boot = reservation->of_this_boot;
        int r;

        r = claim_plan_steps(manager, present, &plan);
        if (r < 0)
                return r;
        if (!was_of_this_boot) {
                r = reservation_set_records(reservation, kept);
                if (r < 0)
                        return r;
        }
        return submit(manager, &renew_owner, VERB_RESERVE, reservation, &plan, refusal);
}

static int begin_renewal(Manager *manager, Reservation *reservation) {
        _cleanup_(record_list_done) RecordList kept = {}, present = {};
        _cleanup_(refusal_done) Refusal refusal = {};
        int r;

        log_notice("Reservation %" PRIu64 " is put into the kernel of this boot", reservation->id);
        manager_refresh_devices(manager, &reservation->records);
        r = renew_records(manager, reservation, &kept, &present);
        if (r < 0)
                return r;
        r = check_groups(manager, &present, &refusal);
        if (r < 0)
                return r;
        if (refusal.code == REFUSAL_NONE)
                r = submit_renewal(manager, reservation, &kept, &present, &refusal);
        else
                r = audit_renewal_refusal(manager, reservation, &refusal);
        if (r < 0)
                return r;
        if (refusal.code == REFUSAL_NONE) {
                reservation->of_this_boot = true;
                return 0;
        }
        log_error("Reservation %" PRIu64 " stays out of the kernel until its groups are recovered, or the next start: %s", reservation->id, refusal.message ?: "no memory");
        reservation->to_renew = false;
        return 0;
}

static int join(char *const *sentences, char **ret) {
        _cleanup_free_ char *joined = NULL;

        for (size_t i = 0; sentences && sentences[i]; i++) {
                char *more;

                if (asprintf(&more, "%s%s%s", joined ?: "", joined ? ". " : "", sentences[i]) < 0)
                        return -ENOMEM;
                free(joined);
                joined = more;
        }
        *ret = TAKE_PTR(joined);
        return 0;
}

/* None of its devices is there. */
static int settle_absent(Manager *manager, Reservation *reservation) {
        _cleanup_(db_transaction_done) Db *transaction = NULL;
        _cleanup_strv_free_ char **sentences = NULL, **devices = NULL;
        _cleanup_free_ char *message = NULL;
        int r;

        note_missing(manager, reservation, &sentences);
        r = join(sentences, &message);
        if (r >= 0)
                r = records_addresses(&reservation->records, &devices);
        if (r < 0)
                return r;
        r = db_begin(manager->db);
        if (r < 0)
                return r;
        transaction = manager->db;
        if (reservation->state == RESERVATION_ACTIVE) {
                r = records_journal_renewal(manager->db, reservation);
                if (r >= 0)
                        r = audit_reservation(manager->db, VERB_RESERVE, devices, message);
        } else
                r = end_without_operation(manager, reservation, message);
        if (r < 0)
                return r;
        transaction = NULL;
        r = db_commit(manager->db);
        if (r < 0)
                return r;
        if (reservation->state == RESERVATION_ACTIVE)
                reservation->to_renew = false;
        else
                manager_drop_reservation(manager, reservation);
        return 0;
}

static bool is_busy(const Manager *manager, const Reservation *reservation) {
        if (recovery_awaits_any_group(manager->recovery, reservation->groups, reservation->n_groups))
                return true;
        for (size_t i = 0; i < reservation->n_groups; i++)
                if (manager_group_operation(manager, reservation->groups[i]))
                        return true;
        return false;
}

int recovery_begin_reservations(Manager *manager) {
        for (size_t i = manager->reservations.n_items; i > 0; i--) {
                Reservation *reservation = manager->reservations.items[i - 1];
                int r;

                if (!needs_recovery(reservation) || is_busy(manager, reservation))
                        continue;
                if (reservation->n_groups == 0)
                        r = settle_absent(manager, reservation);
                else
                        r = reservation->to_renew ? begin_renewal(manager, reservation) : begin_give_back(manager, reservation);
                if (r < 0)
                        return r;
        }
        return 0;
}
