/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/turn.h"

static bool verb_can_be_cancelled(Verb verb) {
        switch (verb) {
        case VERB_ASSIGN:
        case VERB_RELEASE:
        case VERB_OPEN:
        case VERB_RESERVE:
        case VERB_UNRESERVE:
                return true;
        case VERB_RECOVER:
        case VERB_LABEL:
        case VERB_GUARD:
        case VERB_GRANT:
        case _VERB_MAX:
        case _VERB_INVALID:
                return false;
        }
        return false;
}

static int check_cancel(const Operation *operation, const Caller *caller, Refusal *refusal) {
        if (caller->uid != 0 && caller->uid != operation->request.caller.uid && !caller->asked)
                return refusal_set(refusal, REFUSAL_DENIED, "Operation %" PRIu64 " belongs to another user", operation->id);
        if (operation->settled)
                return refusal_set(refusal, REFUSAL_NOT_SUPPORTED, "Operation %" PRIu64 " is over: it is %s", operation->id,
                                   operation_state_word(operation));
        if (!verb_can_be_cancelled(operation->request.verb))
                return refusal_set(refusal, REFUSAL_NOT_SUPPORTED, "Operation %" PRIu64 " puts right what was left half-way, and is not cancelled",
                                   operation->id);
        return 0;
}

int manager_cancel(Manager *manager, uint64_t id, const Caller *caller, Refusal *ret_refusal) {
        _cleanup_(refusal_done) Refusal outcome = {};
        Operation *operation = manager_find_operation(manager, id);
        int r;

        if (!operation)
                return refusal_set(ret_refusal, REFUSAL_NOT_SUPPORTED, "There is no operation %" PRIu64, id);
        r = check_cancel(operation, caller, ret_refusal);
        if (r < 0 || ret_refusal->code != REFUSAL_NONE)
                return r;
        r = refusal_set(&outcome, REFUSAL_CANCELLED, "User %u cancelled operation %" PRIu64 " %s", (unsigned) caller->uid, id,
                        operation->state == OPERATION_WAITING ? "while it waited" : "before it was done");
        if (r < 0)
                return r;
        if (operation->state == OPERATION_WAITING) {
                turn_refuse(manager, operation, &outcome);
                return 0;
        }
        if (operation_cancel(operation, &outcome))
                return 0;
        return refusal_set(ret_refusal, REFUSAL_NOT_SUPPORTED, "It is too late to cancel operation %" PRIu64 ": %s", id,
                           operation->state == OPERATION_UNDOING || operation->cancelled ? "it is being undone already"
                                                                                         : "what it gives back has begun to go");
}
