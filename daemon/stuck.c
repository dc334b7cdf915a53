/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/stuck.h"

#include "base/log.h"
#include "base/strutil.h"

static void log_holdings(const Operation *operation, const char *what) {
        _cleanup_free_ char *text = NULL;

        if (holding_list_describe(&operation->holdings, &text) < 0)
                return;
        log_warning("Operation %" PRIu64 " (%s) %s: %s", operation->id, verb_to_string(operation->request.verb), what, text);
}

int stuck_note_holders(Operation *operation, size_t step, const WorkerAnswer *answer) {
        const Step *s = &operation->plan.steps[step];
        int r;

        if (answer->error < 0 && answer->error != -EBUSY)
                return answer->error;
        r = holding_list_add(&operation->holdings, s->group, &answer->holders);
        if (r < 0)
                return r;
        if (answer->holders.n_hidden > 0 && answer->holders.n_items == 0)
                log_warning("Operation %" PRIu64 " (%s) on group %" PRIu32 ": %" PRIu32
                            " processes could not be looked into, so somebody may have it open who was not seen",
                            operation->id, verb_to_string(operation->request.verb), s->group, answer->holders.n_hidden);
        if (answer->error < 0 && string_equal(s->value, PLAN_OVERRIDE)) {
                log_holdings(operation, "takes what is open");
                return holding_list_override(&operation->holdings, &operation->overridden);
        }
        if (answer->error == 0 || !string_equal(s->value, PLAN_WAIT))
                return answer->error;
        log_holdings(operation, "waits");
        return 0;
}

int stuck_add_blocker(const Operation *operation, uint32_t group, BlockerList *blockers) {
        _cleanup_free_ char *text = NULL;
        int r = 0;

        if (operation->holdings.n_items > 0)
                r = holding_list_describe(&operation->holdings, &text);
        if (r < 0)
                return r;
        return blocker_list_add(blockers, BLOCKER_STUCK, group, NULL, false,
                                "Operation %" PRIu64 " (%s) on group %" PRIu32 " is stuck: the kernel has not answered%s%s", operation->id,
                                verb_to_string(operation->request.verb), group, text ? "; " : "", text ?: "");
}

static void on_looked(HoldingList *found, int error, void *userdata) {
        Operation *operation = userdata;

        holding_list_done(&operation->holdings);
        operation->holdings = *found;
        *found = (HoldingList) {};
        operation->look = look_free(operation->look);
        if (error < 0)
                log_warning_errno(error, "Failed to find out who holds up operation %" PRIu64 ": %m", operation->id);
        else
                log_holdings(operation, "is held up");
        if (operation->owner->changed)
                operation->owner->changed(operation, /* stuck_changed= */ true, operation->userdata);
}

static bool waits_for_unbind(const Operation *operation) {
        for (size_t i = 0; i < operation->plan.n_steps; i++)
                if (operation->plan.steps[i].kind == STEP_UNBIND && operation->progress[i].state == STEP_ISSUED && operation->progress[i].sent)
                        return true;
        return false;
}

void stuck_look(Operation *operation) {
        int r;

        if (operation->look || operation->n_groups == 0 || !waits_for_unbind(operation))
                return;
        r = look_new(operation->context->event, &operation->context->launcher, operation->groups, operation->n_groups, on_looked, operation,
                     &operation->look);
        if (r < 0)
                log_warning_errno(r, "Failed to look who holds up operation %" PRIu64 ": %m", operation->id);
}
