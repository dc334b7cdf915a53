/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/recover-internal.h"

#include <sys/epoll.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/strutil.h"
#include "daemon/audit.h"
#include "daemon/drift.h"
#include "daemon/failed-undo.h"
#include "daemon/leftover.h"
#include "daemon/records.h"
#include "daemon/recover-reservation.h"
#include "db/assignment.h"

#define RETRY_USEC USEC_PER_SEC

#define REASON_DAEMON_ENDED "The daemon ended before the operation did"

struct Recovery {
        Manager *manager;
        LeftoverList leftovers;
        uint64_t *rebooted; /* ids of assignments of another boot */
        size_t n_rebooted;
        size_t n_awaited; /* leftover workers that still run */
        size_t n_running; /* recovering operations that have not ended */
        bool said_ready;
        sd_event_source *ready_source;
        sd_event_source *retry_source;
};

Recovery *recovery_free(Recovery *recovery) {
        if (!recovery)
                return NULL;

        sd_event_source_disable_unref(recovery->ready_source);
        sd_event_source_disable_unref(recovery->retry_source);
        leftover_list_done(&recovery->leftovers);
        free(recovery->rebooted);
        free(recovery);
        return NULL;
}

bool recovery_awaits_group(const Recovery *recovery, uint32_t number) {
        for (size_t i = 0; recovery && i < recovery->leftovers.n_items; i++)
                if (recovery->leftovers.items[i].pidfd >= 0 && leftover_has_group(&recovery->leftovers.items[i], number))
                        return true;
        return false;
}

size_t recovery_count_awaited(const Recovery *recovery) {
        return recovery ? recovery->n_awaited : 0;
}

int recovery_add_blocker(const Recovery *recovery, uint32_t number, BlockerList *blockers) {
        _cleanup_free_ char *text = NULL;
        int r = 0;

        for (size_t i = 0; r >= 0 && !text && i < recovery->leftovers.n_items; i++) {
                const Leftover *leftover = &recovery->leftovers.items[i];

                if (leftover->pidfd >= 0 && leftover->holdings.n_items > 0 && leftover_has_group(leftover, number))
                        r = holding_list_describe(&leftover->holdings, &text);
        }
        if (r < 0)
                return r;
        return blocker_list_add(blockers, BLOCKER_STUCK, number, NULL, false,
                                "Group %" PRIu32 " waits for a worker of an earlier assignd, which the kernel has not let go%s%s", number,
                                text ? "; " : "", text ?: "");
}

bool recovery_awaits_any_group(const Recovery *recovery, const uint32_t *groups, size_t n_groups) {
        for (size_t i = 0; i < n_groups; i++)
                if (recovery_awaits_group(recovery, groups[i]))
                        return true;
        return false;
}

static bool awaits_worker(const Recovery *recovery, const Assignment *assignment) {
        return recovery_awaits_any_group(recovery, assignment->groups, assignment->n_groups);
}

bool recovery_awaits_device(const Recovery *recovery, const PciAddress *address) {
        const Manager *manager;

        if (!recovery || recovery->n_awaited == 0)
                return false;
        manager = recovery->manager;
        for (size_t i = 0; i < manager->assignments.n_items; i++)
                if (awaits_worker(recovery, manager->assignments.items[i]) && record_list_find(&manager->assignments.items[i]->records, address))
                        return true;
        for (size_t i = 0; i < manager->reservations.n_items; i++) {
                const Reservation *reservation = manager->reservations.items[i];

                if (recovery_awaits_any_group(recovery, reservation->groups, reservation->n_groups) &&
                    record_list_find(&reservation->records, address))
                        return true;
        }
        return false;
}

static int note_rebooted(Recovery *recovery, uint64_t id) {
        uint64_t *ids;

        ids = reallocarray(recovery->rebooted, recovery->n_rebooted + 1, sizeof(uint64_t));
        if (!ids)
                return -ENOMEM;
        ids[recovery->n_rebooted++] = id;
        recovery->rebooted = ids;
        return 0;
}

static int on_assignment(const DbAssignment *row, const DbRecord *devices, size_t n_devices, void *userdata) {
        Recovery *recovery = userdata;
        _cleanup_(assignment_freep) Assignment *assignment = NULL;
        _cleanup_(record_list_done) RecordList records = {};
        const Request request = { .owner = (char *) row->owner, .label = (char *) row->label, .caller = { .uid = (uid_t) row->caller_uid } };
        int r;

        r = records_load(devices, n_devices, &records);
        if (r < 0)
                return r;
        r = assignment_new(&request, &records, backend_from_string(row->backend), &assignment);
        if (r < 0)
                return r;
        assignment->id = (uint64_t) row->id;
        assignment->state = assignment_state_from_string(row->state);
        assignment->lease = row->lease;
        assignment->has_nodes = row->node_access;
        if (row->node_access && node_access_parse(row->node_access, &assignment->nodes) < 0)
                return -EBADMSG;
        assignment->created_usec = row->created_usec;
        if (assignment->state < 0 || assignment->backend < 0)
                return -EBADMSG;
        if (!string_equal(row->boot_id, db_boot_id(recovery->manager->db))) {
                r = note_rebooted(recovery, assignment->id);
                if (r < 0)
                        return r;
        }
        r = assignment_table_add(&recovery->manager->assignments, assignment);
        if (r < 0)
                return r;
        TAKE_PTR(assignment);
        return 0;
}

static int end_rebooted(Recovery *recovery, uint64_t id) {
        Manager *manager = recovery->manager;
        const Assignment *assignment = manager_find_assignment(manager, id);
        _cleanup_strv_free_ char **devices = NULL;
        bool undone = assignment->state == ASSIGNMENT_ASSIGNING;
        int r;

        r = db_assignment_set_state(manager->db, (int64_t) id, undone ? "undone" : "ended", realtime_usec(), REASON_REBOOT);
        if (r < 0)
                return r;
        r = records_addresses(&assignment->records, &devices);
        if (r < 0)
                return r;
        return audit_end(manager->db, assignment->owner, id, devices, assignment->groups, assignment->n_groups, REASON_REBOOT);
}

/* Whether somebody still has to undo or finish what the leftover began. */
static bool leftover_needs_recovery(const Recovery *recovery, const Leftover *leftover) {
        const AssignmentTable *table = &recovery->manager->assignments;

        for (size_t i = 0; leftover->same_boot && !leftover->waited && i < table->n_items; i++)
                for (size_t g = 0; table->items[i]->state != ASSIGNMENT_ACTIVE && g < table->items[i]->n_groups; g++)
                        if (leftover_has_group(leftover, table->items[i]->groups[g]))
                                return true;
        for (size_t g = 0; leftover->same_boot && !leftover->waited && g < leftover->n_groups; g++)
                if (recovery_needs_group(recovery->manager, leftover->verb, leftover->groups[g]))
                        return true;
        return false;
}

/* Nothing is left to do but for its worker to end: one that writes is waited for whatever it was about. */
static bool leftover_is_over(const Recovery *recovery, const Leftover *leftover) {
        return leftover->pidfd < 0 && !leftover->is_closed && !leftover_needs_recovery(recovery, leftover);
}

static int interrupt_what_is_over(Recovery *recovery) {
        for (size_t i = 0; i < recovery->leftovers.n_items; i++) {
                const Leftover *leftover = &recovery->leftovers.items[i];
                int r;

                if (!leftover_is_over(recovery, leftover))
                        continue;
                r = leftover_interrupt(recovery->manager->db, leftover, leftover->same_boot ? REASON_DAEMON_ENDED : REASON_REBOOT);
                if (r < 0)
                        return r;
        }
        return 0;
}

static void note_what_is_over(Recovery *recovery) {
        for (size_t i = 0; i < recovery->leftovers.n_items; i++)
                recovery->leftovers.items[i].is_closed |= leftover_is_over(recovery, &recovery->leftovers.items[i]);
}

static int close_what_is_over(Recovery *recovery) {
        _cleanup_(db_transaction_done) Db *transaction = NULL;
        Db *db = recovery->manager->db;
        int r;

        r = db_begin(db);
        if (r < 0)
                return r;
        transaction = db;
        for (size_t i = 0; i < recovery->n_rebooted; i++) {
                r = end_rebooted(recovery, recovery->rebooted[i]);
                if (r < 0)
                        return r;
        }
        r = recovery_end_rebooted_reservations(recovery->manager);
        if (r < 0)
                return r;
        r = interrupt_what_is_over(recovery);
        if (r < 0)
                return r;
        transaction = NULL;
        r = db_commit(db);
        if (r < 0)
                return r;
        note_what_is_over(recovery);
        for (size_t i = 0; i < recovery->n_rebooted; i++)
                manager_drop_assignment(recovery->manager, recovery->rebooted[i]);
        recovery->n_rebooted = 0;
        recovery_drop_rebooted_reservations(recovery->manager);
        return 0;
}

static Assignment *operation_assignment(const Operation *operation) {
        const Manager *manager = operation->userdata;

        return assignment_table_find(&manager->assignments, operation->assignment);
}

/* The leftovers of these groups are closed in the transaction that begins their recovery. */
int recovery_journal_begin(Operation *operation, void *userdata) {
        Manager *manager = userdata;
        Recovery *recovery = manager->recovery;
        int r;

        for (size_t i = 0; i < recovery->leftovers.n_items; i++) {
                Leftover *leftover = &recovery->leftovers.items[i];

                if (leftover->is_closed || !leftover_has_group(leftover, operation->groups[0]))
                        continue;
                r = leftover_interrupt(manager->db, leftover, REASON_DAEMON_ENDED);
                if (r < 0)
                        return r;
        }
        return 0;
}

static void close_leftovers(Recovery *recovery, const Operation *operation) {
        for (size_t i = 0; i < recovery->leftovers.n_items; i++)
                if (leftover_has_group(&recovery->leftovers.items[i], operation->groups[0]))
                        recovery->leftovers.items[i].is_closed = true;
}

static void recover_settled(Operation *operation, void *userdata) {
        Assignment *assignment = operation_assignment(operation);

        manager_refresh_devices(userdata, &assignment->records);
        records_note_differences(userdata, &assignment->records, operation);
}

/* What its owner had and the kernel did not let go is the owner's still, as after a release that fails. */
static bool is_still_held(const Manager *manager, const Operation *operation, const Assignment *assignment) {
        return assignment->state == ASSIGNMENT_RELEASING && !operation->let_go && records_are_held(manager, &assignment->records, operation);
}

static int recover_journal_end(Operation *operation, void *userdata) {
        Manager *manager = userdata;
        const Assignment *assignment = operation_assignment(operation);
        _cleanup_strv_free_ char **devices = NULL;
        int r;

        if (is_still_held(manager, operation, assignment))
                r = db_assignment_set_state(manager->db, (int64_t) assignment->id, "active", 0, NULL);
        else
                r = db_assignment_set_state(manager->db, (int64_t) assignment->id, assignment->state == ASSIGNMENT_ASSIGNING ? "undone" : "ended",
                                            operation->finished_usec, operation->outcome.message);
        if (r >= 0 && assignment->state == ASSIGNMENT_ASSIGNING)
                r = failed_undo_quarantine(manager, operation, &assignment->records, /* all_steps= */ true);
        if (r < 0)
                return r;
        r = records_addresses(&assignment->records, &devices);
        if (r < 0)
                return r;
        return audit_operation(manager->db, operation, devices);
}

static void say_ready_when_done(Recovery *recovery);
static void begin_recoveries_or_retry(Recovery *recovery);

void recovery_operation_ended(Operation *operation, void *userdata) {
        Manager *manager = userdata;

        manager_operation_ended(manager, operation);
        manager->recovery->n_running--;
        begin_recoveries_or_retry(manager->recovery);
        say_ready_when_done(manager->recovery);
}

int recovery_submit(Recovery *recovery, Operation **operation, Refusal *ret_refusal) {
        Operation *begun = NULL;
        int r;

        recovery->n_running++;
        r = manager_submit(recovery->manager, operation, ret_refusal, &begun);
        if (r < 0 || ret_refusal->code != REFUSAL_NONE)
                recovery->n_running--;
        else
                close_leftovers(recovery, begun);
        return r;
}

static void recover_ended(Operation *operation, void *userdata) {
        Manager *manager = userdata;
        Assignment *assignment = operation_assignment(operation);

        if (is_still_held(manager, operation, assignment)) {
                assignment->state = ASSIGNMENT_ACTIVE;
                if (manager->observer.assignment_changed)
                        manager->observer.assignment_changed(manager->observer.userdata, assignment);
        } else
                manager_drop_assignment(manager, operation->assignment);
        recovery_operation_ended(operation, userdata);
}

void recovery_operation_changed(Operation *operation, bool stuck_changed, void *userdata) {
        Manager *manager = userdata;

        manager_operation_changed(manager, operation, stuck_changed);
        say_ready_when_done(manager->recovery); /* a stuck one is not waited for */
}

static const OperationOwner recover_owner = {
        .journal_begin = recovery_journal_begin,
        .settled = recover_settled,
        .journal_end = recover_journal_end,
        .ended = recover_ended,
        .changed = recovery_operation_changed,
};

static int begin_recovery(Recovery *recovery, Assignment *assignment) {
        Manager *manager = recovery->manager;
        _cleanup_(plan_done) Plan plan = {};
        _cleanup_(operation_freep) Operation *operation = NULL;
        _cleanup_(refusal_done) Refusal refusal = {};
        Request request = { .verb = VERB_RECOVER };
        PciAddress blind;
        int let_go, r;

        log_notice("Recovering assignment %" PRIu64 " of %s, which was %s when the daemon ended", assignment->id, assignment->owner,
                   assignment_state_to_string(assignment->state));
        let_go = db_assignment_has_let_go(manager->db, (int64_t) assignment->id);
        if (let_go < 0)
                return let_go;
        r = manager_see_devices(manager, &assignment->records, &blind);
        if (r < 0)
                return log_error_errno(r, "Failed to look at %s: %m", PCI_ADDRESS_FORMAT(&blind));
        if (assignment->state == ASSIGNMENT_RELEASING)
                r = plan_release(&assignment->records, manager_facts(manager), &plan);
        else
                r = plan_give_back(&assignment->records, manager_facts(manager), &plan);
        if (r >= 0 && assignment->has_nodes)
                r = plan_take_nodes_first(&plan, &assignment->records, manager_facts(manager), &assignment->nodes);
        if (r < 0)
                return r;
        r = string_copy(assignment->owner, &request.owner);
        if (r < 0)
                return r;
        r = operation_new(&manager->context, &recover_owner, manager, &request, &operation);
        if (r < 0)
                return r;
        r = operation_set_groups(operation, assignment->groups, assignment->n_groups);
        if (r < 0)
                return r;
        r = operation_set_plan(operation, &plan);
        if (r < 0)
                return r;
        operation->keep_going = true;
        operation->let_go = let_go;
        operation->owner_may_hold = assignment->state == ASSIGNMENT_RELEASING && !let_go;
        operation->assignment = assignment->id;
        r = recovery_submit(recovery, &operation, &refusal);
        if (r < 0 || refusal.code == REFUSAL_NONE)
                return r;
        log_error("Assignment %" PRIu64 " cannot be recovered: %s", assignment->id, refusal.message ?: "no memory");
        return -EIO;
}

static bool something_is_over(const Recovery *recovery) {
        for (size_t i = 0; i < recovery->leftovers.n_items; i++)
                if (leftover_is_over(recovery, &recovery->leftovers.items[i]))
                        return true;
        return false;
}

/* What cannot be begun (a device that cannot be read, no memory) keeps nothing else from it: the first such error is the result. */
static int begin_recoveries(Recovery *recovery) {
        AssignmentTable *table = &recovery->manager->assignments;
        int r, result = 0;

        if (something_is_over(recovery)) {
                r = close_what_is_over(recovery);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < table->n_items; i++) {
                Assignment *assignment = table->items[i];

                if (assignment->state == ASSIGNMENT_ACTIVE || awaits_worker(recovery, assignment) ||
                    manager_group_operation(recovery->manager, assignment->groups[0]))
                        continue;
                r = begin_recovery(recovery, assignment);
                if (r < 0 && result == 0)
                        result = r;
        }
        r = recovery_begin_reservations(recovery->manager);
        return result < 0 ? result : r;
}

static void begin_recoveries_or_retry(Recovery *recovery) {
        int r;

        r = begin_recoveries(recovery);
        if (r >= 0)
                return;
        log_error_errno(r, "Failed to recover what an earlier daemon left, trying again: %m");
        r = sd_event_source_set_time_relative(recovery->retry_source, RETRY_USEC);
        if (r >= 0)
                r = sd_event_source_set_enabled(recovery->retry_source, SD_EVENT_ONESHOT);
        if (r < 0)
                log_error_errno(r, "What an earlier daemon left stays as it is until the next start: %m");
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata) {
        begin_recoveries_or_retry(userdata);
        return 0;
}

/* There from the beginning, so that trying again cannot fail for want of memory. */
static int add_retry(Recovery *recovery) {
        int r;

        r = sd_event_add_time_relative(recovery->manager->event, &recovery->retry_source, CLOCK_MONOTONIC, 0, USEC_PER_MSEC, on_retry, recovery);
        return r < 0 ? r : sd_event_source_set_enabled(recovery->retry_source, SD_EVENT_OFF);
}

/* They were stuck until now. */
static void say_leftover_groups(Recovery *recovery, size_t i) {
        manager_say_groups(recovery->manager, recovery->leftovers.items[i].groups, recovery->leftovers.items[i].n_groups);
}

static int on_worker_ended(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        Recovery *recovery = userdata;

        for (size_t i = 0; i < recovery->leftovers.n_items; i++) {
                Leftover *leftover = &recovery->leftovers.items[i];

                if (leftover->source != source)
                        continue;
                log_notice("The worker of operation %" PRIi64 " of an earlier daemon has ended", leftover->id);
                leftover->source = sd_event_source_disable_unref(leftover->source);
                leftover->pidfd = safe_close(leftover->pidfd);
                leftover->look = look_free(leftover->look);
                recovery->n_awaited--;
                say_leftover_groups(recovery, i);
                drift_watch_changed(recovery->manager->drift, leftover->groups, leftover->n_groups);
                break;
        }
        begin_recoveries_or_retry(recovery);
        return 0;
}

static int await_workers(Recovery *recovery) {
        int r;

        for (size_t i = 0; i < recovery->leftovers.n_items; i++) {
                Leftover *leftover = &recovery->leftovers.items[i];

                if (leftover->verb == VERB_OPEN)
                        continue;
                r = leftover_open_worker(leftover, &recovery->manager->context.launcher);
                if (r < 0)
                        return r;
                if (r == 0)
                        continue;
                log_warning("The worker %d of operation %" PRIi64 " of an earlier daemon still runs; its groups stay closed until it ends",
                            (int) leftover->worker_pid, leftover->id);
                r = sd_event_add_io(recovery->manager->event, &leftover->source, leftover->pidfd, EPOLLIN, on_worker_ended, recovery);
                if (r < 0)
                        return r;
                recovery->n_awaited++;
                leftover_look(leftover, recovery->manager->event, &recovery->manager->context.launcher);
        }
        return 0;
}

static int on_ready(sd_event_source *source, void *userdata) {
        Recovery *recovery = userdata;

        drift_watch_start(recovery->manager->drift);
        if (recovery->manager->observer.ready)
                recovery->manager->observer.ready(recovery->manager->observer.userdata);
        return 0;
}

static size_t count_stuck(const Manager *manager) {
        size_t n = 0;

        for (size_t i = 0; i < manager->queue.n_running; i++)
                n += manager->queue.running[i]->stuck;
        return n;
}

static void say_ready_when_done(Recovery *recovery) {
        int r;

        if (recovery->said_ready || recovery->n_running > count_stuck(recovery->manager))
                return;
        recovery->said_ready = true;
        r = sd_event_add_defer(recovery->manager->event, &recovery->ready_source, on_ready, recovery);
        if (r < 0)
                log_error_errno(r, "Failed to become ready: %m");
}

/* One that only waited has not touched anything. */
static void note_reserves(Recovery *recovery) {
        for (size_t i = 0; i < recovery->leftovers.n_items; i++) {
                const Leftover *leftover = &recovery->leftovers.items[i];

                for (size_t g = 0; leftover->same_boot && leftover->verb == VERB_RESERVE && !leftover->waited && g < leftover->n_groups; g++)
                        recovery_note_reserve(recovery->manager, leftover->groups[g]);
        }
}

static int load(Recovery *recovery) {
        Db *db = recovery->manager->db;
        int r;

        r = db_assignment_foreach_open(db, on_assignment, recovery);
        if (r < 0)
                return r;
        r = recovery_load_reservations(recovery->manager);
        if (r < 0)
                return r;
        r = leftover_list_load(db, &recovery->leftovers);
        if (r < 0)
                return r;
        note_reserves(recovery);
        return 0;
}

int recovery_load(Manager *manager) {
        Recovery *recovery;
        int r;

        recovery = calloc(1, sizeof(Recovery));
        if (!recovery)
                return -ENOMEM;
        manager->recovery = recovery;
        recovery->manager = manager;
        r = add_retry(recovery);
        if (r >= 0)
                r = load(recovery);
        if (r < 0)
                return log_error_errno(r, "Failed to load what an earlier daemon left: %m");
        r = await_workers(recovery);
        if (r < 0)
                return log_error_errno(r, "Failed to wait for the worker of an earlier daemon: %m");
        r = close_what_is_over(recovery);
        if (r < 0)
                return log_error_errno(r, "Failed to close what an earlier daemon left: %m");
        return 0;
}

int recovery_start(Manager *manager) {
        int r;

        r = recovery_locate_reservations(manager);
        if (r < 0)
                return log_error_errno(r, "Failed to look for what is reserved: %m");
        begin_recoveries_or_retry(manager->recovery);
        say_ready_when_done(manager->recovery);
        return 0;
}
