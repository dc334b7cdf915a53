/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/operation.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/journal.h"
#include "daemon/progress.h"
#include "daemon/step-send.h"
#include "daemon/stuck.h"

static const char *const operation_state_table[_OPERATION_STATE_MAX] = {
        [OPERATION_WAITING] = "waiting",
        [OPERATION_RUNNING] = "running",
        [OPERATION_UNDOING] = "undoing",
        [OPERATION_DONE] = "done",
        [OPERATION_FAILED] = "failed",
        [OPERATION_INTERRUPTED] = "interrupted",
};

const char *operation_state_to_string(OperationState state) {
        return state >= 0 && state < _OPERATION_STATE_MAX ? operation_state_table[state] : NULL;
}

const char *operation_state_word(const Operation *operation) {
        return operation->stuck ? "stuck" : operation_state_to_string(operation->state);
}

int operation_new(const OperationContext *context, const OperationOwner *owner, void *userdata, Request *request, Operation **ret) {
        Operation *operation;

        assert(context && owner && request && ret);

        operation = calloc(1, sizeof(Operation));
        if (!operation) {
                request_done(request);
                return -ENOMEM;
        }
        *operation = (Operation) {
                .request = *request,
                .state = OPERATION_WAITING,
                .lease_fd = -EBADF,
                .context = context,
                .owner = owner,
                .userdata = userdata,
                .created_usec = realtime_usec(),
        };
        *request = (Request) {};
        *ret = operation;
        return 0;
}

int operation_set_groups(Operation *operation, const uint32_t *groups, size_t n_groups) {
        uint32_t *copy;

        copy = calloc(n_groups ?: 1, sizeof(uint32_t));
        if (!copy)
                return -ENOMEM;
        if (n_groups > 0)
                memcpy(copy, groups, n_groups * sizeof(uint32_t));
        free(operation->groups);
        operation->groups = copy;
        operation->n_groups = n_groups;
        return 0;
}

int operation_set_plan(Operation *operation, Plan *plan) {
        int r;

        r = progress_grow(&operation->progress, 0, plan->n_steps, /* undo= */ false);
        if (r < 0)
                return r;
        plan_done(&operation->plan);
        operation->plan = *plan;
        *plan = (Plan) {};
        return 0;
}

Operation *operation_free(Operation *operation) {
        if (!operation)
                return NULL;

        sd_event_source_disable_unref(operation->timer);
        sd_event_source_disable_unref(operation->advance);
        step_send_forget_modules(operation);
        step_send_close_fds(operation);
        free(operation->fds);
        worker_free(operation->worker);
        look_free(operation->look);
        holding_list_done(&operation->holdings);
        blocker_list_done(&operation->overridden);
        safe_close(operation->lease_fd);
        request_done(&operation->request);
        free(operation->meaning);
        free(operation->groups);
        plan_done(&operation->plan);
        free(operation->progress);
        refusal_done(&operation->outcome);
        free(operation->watches);
        free(operation);
        return NULL;
}

bool operation_has_group(const Operation *operation, uint32_t number) {
        for (size_t i = 0; i < operation->n_groups; i++)
                if (operation->groups[i] == number)
                        return true;
        return false;
}

int operation_watch(Operation *operation, operation_watch_t handler, void *userdata) {
        OperationWatch *w;

        assert(operation && handler);
        assert(!operation_has_ended(operation));

        w = reallocarray(operation->watches, operation->n_watches + 1, sizeof(OperationWatch));
        if (!w)
                return -ENOMEM;
        w[operation->n_watches++] = (OperationWatch) { .handler = handler, .userdata = userdata };
        operation->watches = w;
        return 0;
}

void operation_unwatch(Operation *operation, operation_watch_t handler, void *userdata) {
        for (size_t i = 0; i < operation->n_watches; i++)
                if (operation->watches[i].handler == handler && operation->watches[i].userdata == userdata)
                        operation->watches[i] = (OperationWatch) {};
}

void operation_get_progress(const Operation *operation, unsigned *ret_done, unsigned *ret_total) {
        unsigned done = 0;

        for (size_t i = 0; i < operation->plan.n_steps; i++)
                if (operation->progress[i].state != STEP_PLANNED && operation->progress[i].state != STEP_ISSUED)
                        done++;
        *ret_done = done;
        *ret_total = (unsigned) operation->plan.n_steps;
}

void operation_say_changed(Operation *operation, bool stuck_changed) {
        if (operation->owner->changed)
                operation->owner->changed(operation, stuck_changed, operation->userdata);
}

static void set_stuck(Operation *operation, bool stuck) {
        if (operation->stuck == stuck)
                return;
        operation->stuck = stuck;
        operation_say_changed(operation, /* stuck_changed= */ true);
}

/* Both sources are there from the beginning, so that these cannot fail for want of memory. */
static void arm_timer(Operation *operation, uint64_t usec) {
        int r;

        r = sd_event_source_set_time_relative(operation->timer, usec);
        if (r >= 0)
                r = sd_event_source_set_enabled(operation->timer, SD_EVENT_ONESHOT);
        if (r < 0)
                log_error_errno(r, "Operation %" PRIu64 " has no timer: %m", operation->id);
}

void operation_schedule_advance(Operation *operation) {
        int r;

        r = sd_event_source_set_enabled(operation->advance, SD_EVENT_ONESHOT);
        if (r < 0)
                log_error_errno(r, "Operation %" PRIu64 " cannot go on: %m", operation->id);
}

static void begin_phase(Operation *operation) {
        operation->slow = false;
        operation->unsent = true;
        arm_timer(operation, operation->context->slow_usec);
        operation_schedule_advance(operation);
}

static void begin_undo(Operation *operation) {
        progress_skip_planned(operation);
        operation->state = OPERATION_UNDOING;
        operation->keep_going = true;
}

static int plan_undo(Operation *operation) {
        _cleanup_(plan_done) Plan undo = {};
        int r;

        if (operation->owner->plan_undo) {
                r = operation->owner->plan_undo(operation, operation->userdata, &undo);
                if (r < 0)
                        return r;
        }
        r = progress_append_undo(operation, &undo);
        if (r < 0)
                return r;
        operation->undo_planned = true;
        return 0;
}

static void settle(Operation *operation) {
        if (operation->settled)
                return;
        operation->settled = true;
        operation->state = operation->state == OPERATION_UNDOING || operation->outcome.code != REFUSAL_NONE ? OPERATION_FAILED : OPERATION_DONE;
        operation->finished_usec = realtime_usec();
        if (operation->owner->settled)
                operation->owner->settled(operation, operation->userdata);
        if (operation->outcome.code != REFUSAL_NONE)
                operation->state = OPERATION_FAILED;
}

static int journal_advance(Operation *operation, bool ends) {
        _cleanup_(db_transaction_done) Db *transaction = NULL;
        Db *db = operation->context->db;
        int r;

        r = db_begin(db);
        if (r < 0)
                return r;
        transaction = db;
        r = journal_update(operation);
        if (r < 0)
                return r;
        if (operation->worker_is_new && operation->worker) {
                r = journal_set_worker(operation);
                if (r < 0)
                        return r;
        }
        r = journal_set_state(operation);
        if (r < 0)
                return r;
        if (ends && operation->owner->journal_end) {
                r = operation->owner->journal_end(operation, operation->userdata);
                if (r < 0)
                        return r;
        }
        transaction = NULL;
        return db_commit(db);
}

static void say_ended(Operation *operation) {
        operation->worker = worker_free(operation->worker);
        operation->look = look_free(operation->look);
        operation->ended = true;
        operation->stuck = false;
        if (operation->owner->ended)
                operation->owner->ended(operation, operation->userdata);
        for (size_t i = 0; i < operation->n_watches; i++)
                if (operation->watches[i].handler)
                        operation->watches[i].handler(operation, operation->watches[i].userdata);
        step_send_close_fds(operation);
        operation->told = true;
}

static void ensure_worker(Operation *operation) {
        int r;

        if (operation->worker)
                return;
        r = step_send_start_worker(operation);
        operation->worker_is_new = r >= 0;
        if (r < 0)
                log_error_errno(r, "Failed to start a worker for operation %" PRIu64 ": %m", operation->id);
}

static void try_again(Operation *operation, int error, const char *what) {
        log_error_errno(error, "Failed to %s operation %" PRIu64 ", trying again: %m", what, operation->id);
        operation->trying_again = true;
        arm_timer(operation, operation->context->retry_usec);
        set_stuck(operation, true);
}

/* Commits what happened and what comes next, then does it; a database that refuses is asked again, since nothing may be
 * written to the kernel before its row. */
static void commit_and_go_on(Operation *operation) {
        bool ends = !progress_has_issued(operation);
        int r;

        if (ends)
                settle(operation);
        else
                ensure_worker(operation);
        r = journal_advance(operation, ends);
        if (r < 0) {
                try_again(operation, r, "journal");
                return;
        }
        journal_clean(operation);
        operation->worker_is_new = false;
        if (ends) {
                say_ended(operation);
                return;
        }
        set_stuck(operation, false);
        operation_say_changed(operation, /* stuck_changed= */ false);
        begin_phase(operation);
}

/* A cancelled one goes no further forward. */
static void turn_back(Operation *operation) {
        if (!operation->cancelled || operation->settled || operation->state != OPERATION_RUNNING || progress_has_issued(operation))
                return;
        if (operation->keep_going)
                progress_skip_planned(operation);
        else
                begin_undo(operation);
}

static void go_on(Operation *operation) {
        int r;

        turn_back(operation);
        if (operation->state == OPERATION_UNDOING && !operation->undo_planned) {
                r = plan_undo(operation);
                if (r < 0) {
                        try_again(operation, r, "plan the undo of");
                        return;
                }
        }
        if (!progress_has_issued(operation))
                progress_issue_next_phase(operation);
        commit_and_go_on(operation);
}

static void end_phase(Operation *operation) {
        progress_note_failures(operation);
        if (!progress_phase_failed(operation))
                return;
        if (operation->keep_going)
                progress_skip_spoiled(operation);
        else
                begin_undo(operation);
}

static int on_advance(sd_event_source *source, void *userdata) {
        Operation *operation = userdata;

        if (operation->unsent) {
                step_send_issued(operation);
                return 0;
        }
        (void) sd_event_source_set_enabled(operation->timer, SD_EVENT_OFF);
        end_phase(operation);
        go_on(operation);
        return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        Operation *operation = userdata;
        uint64_t slow = operation->context->slow_usec, stuck = operation->context->stuck_usec;

        if (operation->trying_again) {
                operation->trying_again = false;
                go_on(operation);
                return 0;
        }
        if (operation->n_unanswered == 0) /* the last answer came just now */
                return 0;
        if (!operation->slow) {
                operation->slow = true;
                log_warning("Operation %" PRIu64 " (%s) is slow: %zu steps have not been answered", operation->id,
                            verb_to_string(operation->request.verb), operation->n_unanswered);
                arm_timer(operation, stuck > slow ? stuck - slow : 1);
                return 0;
        }
        log_error("Operation %" PRIu64 " (%s) is stuck: %zu steps have not been answered; its groups stay closed until they are",
                  operation->id, verb_to_string(operation->request.verb), operation->n_unanswered);
        set_stuck(operation, true);
        stuck_look(operation);
        return 0;
}

static int journal_begin(Operation *operation) {
        _cleanup_(db_transaction_done) Db *transaction = NULL;
        Db *db = operation->context->db;
        int r;

        r = db_begin(db);
        if (r < 0)
                return r;
        transaction = db;
        if (operation->owner->journal_begin) {
                r = operation->owner->journal_begin(operation, operation->userdata);
                if (r < 0)
                        return r;
        }
        r = journal_insert(operation);
        if (r < 0)
                return r;
        transaction = NULL;
        return db_commit(db);
}

static int add_sources(Operation *operation) {
        sd_event *event = operation->context->event;
        int r;

        if (operation->timer)
                return 0;
        operation->advance = sd_event_source_disable_unref(operation->advance);
        r = sd_event_add_defer(event, &operation->advance, on_advance, operation);
        if (r >= 0)
                r = sd_event_source_set_enabled(operation->advance, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_time_relative(event, &operation->timer, CLOCK_MONOTONIC, 0, USEC_PER_MSEC, on_timer, operation);
        if (r >= 0)
                r = sd_event_source_set_enabled(operation->timer, SD_EVENT_OFF);
        if (r < 0)
                return r;
        (void) sd_event_source_set_description(operation->advance, "operation-advance");
        (void) sd_event_source_set_description(operation->timer, "operation-timer");
        return 0;
}

int operation_begin(Operation *operation) {
        int r;

        assert(operation && !operation->begun);

        r = add_sources(operation);
        if (r < 0)
                return r;
        operation->worker = worker_free(operation->worker);
        r = step_send_start_worker(operation);
        if (r < 0)
                return r;
        operation->state = OPERATION_RUNNING;
        progress_issue_next_phase(operation);
        r = journal_begin(operation);
        if (r < 0) {
                operation->state = OPERATION_WAITING;
                return r;
        }
        journal_clean(operation);
        operation->begun = true;
        begin_phase(operation);
        return 0;
}

int operation_wait(Operation *operation) {
        _cleanup_(db_transaction_done) Db *transaction = NULL;
        Db *db = operation->context->db;
        int r;

        r = add_sources(operation);
        if (r < 0)
                return r;
        r = db_begin(db);
        if (r < 0)
                return r;
        transaction = db;
        r = journal_insert(operation);
        if (r < 0) {
                operation->id = 0;
                return r;
        }
        transaction = NULL;
        r = db_commit(db);
        if (r < 0)
                operation->id = 0;
        return r;
}

void operation_refuse(Operation *operation, Refusal *refusal) {
        assert(!operation->begun && !operation->settled);

        plan_done(&operation->plan);
        refusal_done(&operation->outcome);
        operation->outcome = *refusal;
        *refusal = (Refusal) {};
        operation->state = OPERATION_FAILED;
        operation->finished_usec = realtime_usec();
        operation->settled = true;
        commit_and_go_on(operation);
}

bool operation_cancel(Operation *operation, Refusal *refusal) {
        if (operation->settled || operation->cancelled || operation->state != OPERATION_RUNNING)
                return false;
        if (operation->keep_going && progress_has_changed_host(operation))
                return false;
        operation->cancelled = true;
        if (operation->outcome.code == REFUSAL_NONE) {
                refusal_done(&operation->outcome);
                operation->outcome = *refusal;
                *refusal = (Refusal) {};
        }
        return true;
}
