/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/turn.h"

#include <string.h>

#include "base/log.h"
#include "base/strutil.h"
#include "daemon/audit.h"
#include "daemon/lease.h"
#include "daemon/limits.h"
#include "daemon/meaning.h"

static bool group_is_busy(const BlockerList *blockers, uint32_t group) {
        for (size_t i = 0; i < blockers->n_items; i++)
                if (blockers->items[i].code == BLOCKER_BUSY && blockers->items[i].group == group)
                        return true;
        return false;
}

bool turn_may_come(const Refusal *refusal) {
        const BlockerList *blockers = &refusal->blockers;

        for (size_t i = 0; i < blockers->n_items; i++) {
                const Blocker *blocker = &blockers->items[i];

                if (blocker->code != BLOCKER_BUSY && blocker->code != BLOCKER_OWNED && blocker->code != BLOCKER_RESERVED)
                        return false;
                if (!group_is_busy(blockers, blocker->group))
                        return false;
        }
        return blockers->n_items > 0;
}

static int refused_journal_end(Operation *operation, void *userdata) {
        Manager *manager = userdata;

        return audit_operation(manager->db, operation, NULL);
}

static void refused_ended(Operation *operation, void *userdata) {
        manager_operation_ended(userdata, operation);
}

static void refused_changed(Operation *operation, bool stuck_changed, void *userdata) {
        manager_operation_changed(userdata, operation, stuck_changed);
}

/* Of an operation that never began. */
static const OperationOwner refused_owner = {
        .journal_end = refused_journal_end,
        .ended = refused_ended,
        .changed = refused_changed,
};

void turn_refuse(Manager *manager, Operation *operation, Refusal *refusal) {
        operation->owner = &refused_owner;
        operation->userdata = manager;
        operation_refuse(operation, refusal);
}

/* Asks the operation to begin. Returns 1 if it has begun, 0 if it is refused or has to wait, or a negative errno. */
static int try_turn(Manager *manager, Operation *operation, PlanResult *result) {
        const Operation *outer = manager->turn;
        int r;

        manager->turn = operation;
        r = operation->owner->start ? operation->owner->start(operation, operation->userdata, result)
                                    : manager_begin(manager, operation, &result->refusal);
        manager->turn = outer;
        if (r < 0)
                return r;
        return result->refusal.code == REFUSAL_NONE;
}

/* The groups may be others than those that it waited for: devices have come and gone. */
static int go_on_waiting(Operation *operation, const PlanResult *result) {
        return operation_set_groups(operation, result->groups, result->n_groups);
}

static int check_meaning(const Manager *manager, const Operation *operation, Refusal *refusal) {
        _cleanup_free_ char *now = NULL;
        int r;

        r = meaning_of_request(manager, &operation->request, &now);
        if (r < 0 || string_equal(now, operation->meaning))
                return r;
        return refusal_set(refusal, REFUSAL_STALE_GENERATION, "What the %s is about has changed while it waited for its turn; look at it again and repeat it",
                           verb_to_string(operation->request.verb));
}

static void take_turn(Manager *manager, Operation *operation) {
        _cleanup_(plan_result_done) PlanResult result = {};
        int r;

        r = check_meaning(manager, operation, &result.refusal);
        if (r >= 0 && result.refusal.code == REFUSAL_NONE)
                r = try_turn(manager, operation, &result);
        if (r > 0)
                return;
        if (r == 0 && turn_may_come(&result.refusal))
                r = go_on_waiting(operation, &result);
        else if (r == 0)
                turn_refuse(manager, operation, &result.refusal);
        if (r == 0)
                return;
        (void) refusal_set(&result.refusal, REFUSAL_FAILED, "It could not be begun at its turn: %s", strerror(-r));
        turn_refuse(manager, operation, &result.refusal);
}

/* Spares those that wait for somebody who is still at work the trouble of being planned. A stuck one is no reason to wait. */
static bool turn_has_come(const Manager *manager, const Operation *operation) {
        for (size_t i = 0; i < operation->n_groups; i++) {
                const Operation *holder = queue_find_group(&manager->queue, operation->groups[i]);

                if (holder && holder->stuck)
                        return true;
        }
        for (size_t i = 0; i < operation->n_groups; i++)
                if (queue_find_group(&manager->queue, operation->groups[i]) || queue_find_waiting(&manager->queue, operation->groups[i], operation))
                        return false;
        return true;
}

static int on_turn(sd_event_source *source, void *userdata) {
        Manager *manager = userdata;
        size_t i = 0;

        while (i < manager->queue.n_waiting) {
                Operation *operation = manager->queue.waiting[i];

                if (!operation->settled && turn_has_come(manager, operation))
                        take_turn(manager, operation);
                if (i < manager->queue.n_waiting && manager->queue.waiting[i] == operation)
                        i++;
        }
        return 0;
}

void turn_schedule(Manager *manager) {
        int r;

        if (manager->queue.n_waiting == 0)
                return;
        r = sd_event_source_set_enabled(manager->turn_source, SD_EVENT_ONESHOT);
        if (r < 0)
                log_error_errno(r, "What waits is not asked again: %m");
}

static int ensure_source(Manager *manager) {
        int r;

        if (manager->turn_source)
                return 0;
        r = sd_event_add_defer(manager->event, &manager->turn_source, on_turn, manager);
        if (r < 0)
                return r;
        (void) sd_event_source_set_description(manager->turn_source, "turn");
        return sd_event_source_set_enabled(manager->turn_source, SD_EVENT_OFF);
}

static bool is_database_refusal(int error) {
        return error == -ENOSPC || error == -EROFS || error == -EIO || error == -EBUSY || error == -EUCLEAN;
}

static int refuse_degraded(int error, Refusal *refusal) {
        return refusal_set(refusal, REFUSAL_DEGRADED, "The database cannot be written (%s), so nothing was begun", strerror(-error));
}

static void say_added(Manager *manager, const Operation *operation) {
        if (manager->observer.operation_added)
                manager->observer.operation_added(manager->observer.userdata, operation);
}

int manager_begin(Manager *manager, Operation *operation, Refusal *ret_refusal) {
        bool waited = operation->id > 0;
        int r;

        manager_probe_database(manager);
        r = queue_push(&manager->queue, operation);
        if (r == -EBUSY)
                return refusal_set(ret_refusal, REFUSAL_BUSY, "Another operation works on a group of this one");
        if (r < 0)
                return r;
        r = operation_begin(operation);
        if (r < 0)
                queue_remove(&manager->queue, operation);
        if (is_database_refusal(r))
                return refuse_degraded(r, ret_refusal);
        if (r < 0)
                return r;
        if (waited)
                manager_operation_changed(manager, operation, /* stuck_changed= */ false);
        else
                say_added(manager, operation);
        manager_say_groups(manager, operation->groups, operation->n_groups);
        return 0;
}

static int begin_waiting(Manager *manager, Operation *operation, PlanResult *result) {
        int r;

        r = limits_check_waiting(manager, &operation->request.caller, &result->refusal);
        if (r < 0 || result->refusal.code == REFUSAL_LIMITS_EXCEEDED)
                return r;
        r = meaning_of_request(manager, &operation->request, &operation->meaning);
        if (r < 0)
                return r;
        r = operation_set_groups(operation, result->groups, result->n_groups);
        if (r < 0)
                return r;
        r = ensure_source(manager);
        if (r < 0)
                return r;
        r = queue_wait(&manager->queue, operation);
        if (r < 0)
                return r;
        manager_probe_database(manager);
        r = operation_wait(operation);
        if (r < 0)
                queue_remove(&manager->queue, operation);
        refusal_done(&result->refusal);
        if (is_database_refusal(r))
                return refuse_degraded(r, &result->refusal);
        if (r < 0)
                return r;
        log_info("Operation %" PRIu64 " (%s) waits for its groups", operation->id, verb_to_string(operation->request.verb));
        say_added(manager, operation);
        return 0;
}

int manager_submit(Manager *manager, Operation **operation, Refusal *ret_refusal, Operation **ret) {
        _cleanup_(plan_result_done) PlanResult result = {};
        Operation *submitted = *operation;
        int r;

        *ret = NULL;
        r = manager_add_operation(manager, operation);
        if (r < 0)
                return r;
        r = limits_check_operations(manager, submitted, &result.refusal);
        if (r >= 0 && result.refusal.code == REFUSAL_NONE)
                r = try_turn(manager, submitted, &result);
        if (r == 0 && turn_may_come(&result.refusal))
                r = begin_waiting(manager, submitted, &result);
        if (r >= 0 && result.refusal.code == REFUSAL_NONE) {
                *ret = submitted;
                return 0;
        }
        if (r >= 0) {
                manager_audit_refusal(manager, &submitted->request, &result);
                *ret_refusal = result.refusal;
                result.refusal = (Refusal) {};
                r = 0;
        }
        lease_discard_end(manager, &submitted->lease_fd);
        manager_remove_operation(manager, submitted);
        return r;
}
