/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/limits.h"

#include "daemon/recover.h"

/* The daemon itself has no name on the bus. */
static bool is_counted(const Caller *caller) {
        return caller->bus_name;
}

static size_t count(Operation *const *operations, size_t n, uid_t uid) {
        size_t found = 0;

        for (size_t i = 0; i < n; i++)
                found += !operation_has_ended(operations[i]) && is_counted(&operations[i]->request.caller) && operations[i]->request.caller.uid == uid;
        return found;
}

static size_t count_assignments(const Manager *manager, uid_t uid) {
        size_t found = 0;

        for (size_t i = 0; i < manager->assignments.n_items; i++)
                found += manager->assignments.items[i]->uid == uid;
        return found;
}

static size_t count_stuck(const Manager *manager) {
        size_t found = recovery_count_awaited(manager->recovery);

        for (size_t i = 0; i < manager->queue.n_running; i++)
                found += manager->queue.running[i]->stuck;
        return found;
}

int limits_check_operations(const Manager *manager, const Operation *operation, Refusal *refusal) {
        const Caller *caller = &operation->request.caller;

        if (!is_counted(caller))
                return 0;
        if (count_stuck(manager) >= LIMIT_STUCK)
                return refusal_set(refusal, REFUSAL_LIMITS_EXCEEDED,
                                   "%u operations are stuck in the kernel, and no more are begun before some of them are answered: "
                                   "end the programs that hold their devices", LIMIT_STUCK);
        if (count(manager->operations, manager->n_operations, caller->uid) > LIMIT_OPERATIONS)
                return refusal_set(refusal, REFUSAL_LIMITS_EXCEEDED, "User %u has %u operations that have not ended, and no more may have begun",
                                   (unsigned) caller->uid, LIMIT_OPERATIONS);
        if (operation->request.verb == VERB_ASSIGN && count_assignments(manager, caller->uid) >= LIMIT_ASSIGNMENTS)
                return refusal_set(refusal, REFUSAL_LIMITS_EXCEEDED, "User %u has %u assignments, and no more may be had", (unsigned) caller->uid,
                                   LIMIT_ASSIGNMENTS);
        return 0;
}

int limits_check_waiting(const Manager *manager, const Caller *caller, Refusal *refusal) {
        if (!is_counted(caller) || count(manager->queue.waiting, manager->queue.n_waiting, caller->uid) < LIMIT_WAITING)
                return 0;
        refusal_done(refusal);
        return refusal_set(refusal, REFUSAL_LIMITS_EXCEEDED, "User %u has %u operations that wait for others, and no more may wait",
                           (unsigned) caller->uid, LIMIT_WAITING);
}
