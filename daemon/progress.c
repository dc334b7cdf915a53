/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/progress.h"

#include "base/strutil.h"
#include "daemon/step-failure.h"

int progress_grow(StepProgress **progress, size_t from, size_t to, bool undo) {
        StepProgress *p;

        p = reallocarray(*progress, to ?: 1, sizeof(StepProgress));
        if (!p)
                return -ENOMEM;
        for (size_t i = from; i < to; i++)
                p[i] = (StepProgress) { .state = STEP_PLANNED, .undo = undo };
        *progress = p;
        return 0;
}

void progress_set(Operation *operation, size_t i, StepState state, int error) {
        operation->progress[i].state = state;
        operation->progress[i].error = error;
        operation->progress[i].dirty = true;
}

/* The first failure is the outcome; further ones are added to its message. */
static void note_failure(Operation *operation, size_t i) {
        _cleanup_free_ char *sentence = NULL, *joined = NULL;
        int error = operation->progress[i].error;

        if (operation->plan.steps[i].kind == STEP_CHECK_HOLDERS && error == -EBUSY) {
                (void) holding_list_refuse(&operation->holdings, operation->request.verb, &operation->outcome);
                return;
        }
        if (step_describe_failure(&operation->plan.steps[i], error, &sentence) < 0)
                return;
        if (operation->outcome.code == REFUSAL_NONE) {
                (void) refusal_set(&operation->outcome, step_failure_code(&operation->plan.steps[i], error), "%s", sentence);
                return;
        }
        if (asprintf(&joined, "%s. %s", operation->outcome.message ?: "", sentence) < 0) {
                joined = NULL;
                return;
        }
        free(operation->outcome.message);
        operation->outcome.message = TAKE_PTR(joined);
}

void progress_note_failures(Operation *operation) {
        for (size_t i = 0; i < operation->plan.n_steps; i++)
                if (operation->progress[i].dirty &&
                    (operation->progress[i].state == STEP_FAILED || operation->progress[i].state == STEP_UNKNOWN))
                        note_failure(operation, i);
}

static bool step_failed(const Operation *operation, size_t i) {
        const StepProgress *progress = &operation->progress[i];

        return progress->undo == (operation->state == OPERATION_UNDOING) && (progress->state == STEP_FAILED || progress->state == STEP_UNKNOWN);
}

bool progress_phase_failed(const Operation *operation) {
        for (size_t i = 0; i < operation->plan.n_steps; i++)
                if (step_failed(operation, i))
                        return true;
        return false;
}

void progress_skip_planned(Operation *operation) {
        for (size_t i = 0; i < operation->plan.n_steps; i++)
                if (operation->progress[i].state == STEP_PLANNED)
                        progress_set(operation, i, STEP_SKIPPED, 0);
}

static bool is_of_same_device(const Step *a, const Step *b) {
        return pci_address_compare(&a->address, &b->address) == 0;
}

/* An attribute goes with its device: -ENOENT of open(), -ENODEV of write() (fs/kernfs/file.c, kernfs_fop_write_iter). */
static bool device_is_gone(int error) {
        return error == -ENOENT || error == -ENODEV;
}

/* Where the group is taken off the host, and not given back to it. */
static bool overrides_come_first(const Operation *operation, const Step *override) {
        const Plan *plan = &operation->plan;

        if (operation->request.verb == VERB_RESERVE && operation->state == OPERATION_RUNNING)
                return true;
        for (const Step *step = override + 1; step < plan->steps + plan->n_steps; step++)
                if (step->kind == STEP_UNBIND && step->group == override->group)
                        return true;
        return false;
}

/* While giving back, what a failed step spoils: after a look for holders, everything; after an unbind, everything else in its group (no member may go to its host
 * driver while another is still usable), or in the operation, where an owner keeps all or nothing; -ENODEV is the kernel's word
 * that the device is not on that driver, and spoils nothing. After an override, the bind under it, or where overrides come first its group:
 * none of it leaves the host then, but for who is gone, which is no member any more. A failed bind spoils nothing: the recorded override still
 * goes back. */
static bool step_is_spoiled_by(const Operation *operation, const Step *step, const Step *failed, int error) {
        if (failed->kind == STEP_CHECK_HOLDERS)
                return true;
        if (failed->kind == STEP_UNBIND)
                return error != -ENODEV && (operation->owner_may_hold || step->group == failed->group);
        if (failed->kind != STEP_SET_OVERRIDE)
                return false;
        if (!overrides_come_first(operation, failed))
                return step->kind == STEP_BIND && is_of_same_device(step, failed);
        return device_is_gone(error) ? is_of_same_device(step, failed) : step->group == failed->group;
}

void progress_skip_spoiled(Operation *operation) {
        for (size_t f = 0; f < operation->plan.n_steps; f++) {
                if (!step_failed(operation, f))
                        continue;
                for (size_t i = f + 1; i < operation->plan.n_steps; i++)
                        if (operation->progress[i].state == STEP_PLANNED &&
                            step_is_spoiled_by(operation, &operation->plan.steps[i], &operation->plan.steps[f], operation->progress[f].error))
                                progress_set(operation, i, STEP_SKIPPED, 0);
        }
}

int progress_append_undo(Operation *operation, Plan *undo) {
        Plan *plan = &operation->plan;
        unsigned first_phase = plan->n_steps > 0 ? plan->steps[plan->n_steps - 1].phase + 1 : 0;
        Step *steps;
        int r;

        steps = reallocarray(plan->steps, (plan->n_steps + undo->n_steps) ?: 1, sizeof(Step));
        if (!steps)
                return -ENOMEM;
        plan->steps = steps;
        r = progress_grow(&operation->progress, plan->n_steps, plan->n_steps + undo->n_steps, /* undo= */ true);
        if (r < 0)
                return r;
        for (size_t i = 0; i < undo->n_steps; i++) {
                steps[plan->n_steps + i] = undo->steps[i];
                steps[plan->n_steps + i].phase += first_phase;
        }
        plan->n_steps += undo->n_steps;
        free(undo->steps);
        *undo = (Plan) {};
        return 0;
}

void progress_issue_next_phase(Operation *operation) {
        const Plan *plan = &operation->plan;
        size_t first = 0;

        while (first < plan->n_steps && operation->progress[first].state != STEP_PLANNED)
                first++;
        for (size_t i = first; i < plan->n_steps && plan->steps[i].phase == plan->steps[first].phase; i++)
                if (operation->progress[i].state == STEP_PLANNED)
                        progress_set(operation, i, STEP_ISSUED, 0);
}

bool progress_has_issued(const Operation *operation) {
        for (size_t i = 0; i < operation->plan.n_steps; i++)
                if (operation->progress[i].state == STEP_ISSUED)
                        return true;
        return false;
}

static bool step_changes_host(StepKind kind) {
        return kind == STEP_SET_OVERRIDE || kind == STEP_UNBIND || kind == STEP_BIND || kind == STEP_SET_DEVICE_NODE ||
               kind == STEP_SET_GROUP_NODE;
}

bool progress_has_changed_host(const Operation *operation) {
        for (size_t i = 0; i < operation->plan.n_steps; i++)
                if (operation->progress[i].state != STEP_PLANNED && step_changes_host(operation->plan.steps[i].kind))
                        return true;
        return false;
}
