/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/operation.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/strutil.h"
#include "daemon/journal.h"
#include "daemon/step-failure.h"
#include "daemon/step-request.h"
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

static int progress_grow(StepProgress **progress, size_t from, size_t to, bool undo) {
        StepProgress *p;

        p = reallocarray(*progress, to ?: 1, sizeof(StepProgress));
        if (!p)
                return -ENOMEM;
        for (size_t i = from; i < to; i++)
                p[i] = (StepProgress) { .state = STEP_PLANNED, .undo = undo };
        *progress = p;
        return 0;
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

static void close_fds(Operation *operation) {
        for (size_t i = 0; i < operation->n_fds; i++)
                safe_close(operation->fds[i].fd);
        operation->n_fds = 0;
}

/* A question to the module loader. */
typedef struct ModuleStep {
        Operation *operation;
        size_t index;
        struct ModuleStep *next;
} ModuleStep;

static void free_module_steps(Operation *operation) {
        for (ModuleStep *step = operation->module_steps, *next; step; step = next) {
                next = step->next;
                free(step);
        }
        operation->module_steps = NULL;
}

Operation *operation_free(Operation *operation) {
        if (!operation)
                return NULL;

        sd_event_source_disable_unref(operation->timer);
        sd_event_source_disable_unref(operation->advance);
        free_module_steps(operation);
        close_fds(operation);
        free(operation->fds);
        worker_free(operation->worker);
        look_free(operation->look);
        holding_list_done(&operation->holdings);
        blocker_list_done(&operation->overridden);
        safe_close(operation->lease_fd);
        request_done(&operation->request);
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

static void say_changed(Operation *operation, bool stuck_changed) {
        if (operation->owner->changed)
                operation->owner->changed(operation, stuck_changed, operation->userdata);
}

static void set_stuck(Operation *operation, bool stuck) {
        if (operation->stuck == stuck)
                return;
        operation->stuck = stuck;
        say_changed(operation, /* stuck_changed= */ true);
}

static void set_progress(Operation *operation, size_t i, StepState state, int error) {
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

/* Both sources are there from the beginning, so that these cannot fail for want of memory. */
static void arm_timer(Operation *operation, uint64_t usec) {
        int r;

        r = sd_event_source_set_time_relative(operation->timer, usec);
        if (r >= 0)
                r = sd_event_source_set_enabled(operation->timer, SD_EVENT_ONESHOT);
        if (r < 0)
                log_error_errno(r, "Operation %" PRIu64 " has no timer: %m", operation->id);
}

static void schedule_advance(Operation *operation) {
        int r;

        r = sd_event_source_set_enabled(operation->advance, SD_EVENT_ONESHOT);
        if (r < 0)
                log_error_errno(r, "Operation %" PRIu64 " cannot go on: %m", operation->id);
}

static void step_answered(Operation *operation, size_t i, StepState state, int error) {
        assert(operation->n_unanswered > 0);

        set_progress(operation, i, state, error);
        operation->n_unanswered--;
        if (operation->n_unanswered == 0 || operation->unsent)
                schedule_advance(operation);
        say_changed(operation, /* stuck_changed= */ false);
}

static void step_result(Operation *operation, size_t i, int error) {
        step_answered(operation, i, error < 0 ? STEP_FAILED : STEP_DONE, error < 0 ? error : 0);
}

static int keep_fd(Operation *operation, const Step *step, int *fd) {
        OpenedFd *fds;

        fds = reallocarray(operation->fds, operation->n_fds + 1, sizeof(OpenedFd));
        if (!fds)
                return -ENOMEM;
        operation->fds = fds;
        fds[operation->n_fds++] = (OpenedFd) { .kind = step->kind, .address = step->address, .group = step->group, .fd = TAKE_FD(*fd) };
        return 0;
}

static bool step_is_unanswered(const Operation *operation, size_t i) {
        return operation->progress[i].state == STEP_ISSUED && operation->progress[i].sent;
}

static void worker_lost(Operation *operation) {
        operation->worker = worker_free(operation->worker);
        for (size_t i = 0; i < operation->plan.n_steps; i++)
                if (step_is_unanswered(operation, i) && operation->plan.steps[i].kind != STEP_LOAD_MODULE)
                        step_answered(operation, i, STEP_UNKNOWN, -EPIPE);
}

static void on_worker(Worker *worker, const WorkerAnswer *answer, int *fd, void *userdata) {
        Operation *operation = userdata;
        size_t i;
        int error;

        if (!answer) {
                log_warning("The worker of operation %" PRIu64 " ended without an answer", operation->id);
                worker_lost(operation);
                return;
        }
        if (answer->sequence < 1 || answer->sequence > operation->plan.n_steps ||
            !step_is_unanswered(operation, (size_t) answer->sequence - 1)) {
                log_warning("The worker of operation %" PRIu64 " answered a step that was not asked for, ignoring", operation->id);
                return;
        }
        i = (size_t) answer->sequence - 1;
        error = operation->plan.steps[i].kind == STEP_CHECK_HOLDERS ? stuck_note_holders(operation, i, answer) : answer->error;
        if (error >= 0 && *fd >= 0)
                error = keep_fd(operation, &operation->plan.steps[i], fd);
        step_result(operation, i, error);
}

static void module_step_unlink(ModuleStep *step) {
        ModuleStep **at = &step->operation->module_steps;

        while (*at != step)
                at = &(*at)->next;
        *at = step->next;
}

static void on_module(int error, void *userdata) {
        _cleanup_free_ ModuleStep *step = userdata;

        module_step_unlink(step);
        step_result(step->operation, step->index, error);
}

static int send_module_step(Operation *operation, size_t i) {
        const ModuleLoader *loader = &operation->context->module_loader;
        ModuleStep *step;
        int r;

        if (!loader->load)
                return -ENOENT;
        step = malloc(sizeof(ModuleStep));
        if (!step)
                return -ENOMEM;
        *step = (ModuleStep) { .operation = operation, .index = i, .next = operation->module_steps };
        operation->module_steps = step;
        r = loader->load(loader->userdata, operation->plan.steps[i].value, on_module, step); /* which may be over by now */
        if (r < 0) {
                module_step_unlink(step);
                free(step);
        }
        return r;
}

static int send_worker_step(Operation *operation, size_t i) {
        WorkerRequest request;
        int r;

        r = step_make_request(&operation->plan.steps[i], i + 1, &request);
        if (r < 0)
                return r;
        if (!operation->worker)
                return -EPIPE;
        return worker_send(operation->worker, &request);
}

/* It counts as sent before it is, since a module loader may answer at once. */
static int send_step(Operation *operation, size_t i) {
        int r;

        operation->progress[i].sent = true;
        operation->n_unanswered++;
        r = operation->plan.steps[i].kind == STEP_LOAD_MODULE ? send_module_step(operation, i) : send_worker_step(operation, i);
        if (r < 0) {
                operation->progress[i].sent = false;
                operation->n_unanswered--;
        }
        return r;
}

/* Sends the steps that are marked as issued; the marks are committed. Where the worker's socket is full, the others follow
 * as answers come. */
static void send_issued(Operation *operation) {
        operation->unsent = false;
        for (size_t i = 0; i < operation->plan.n_steps; i++) {
                int r;

                if (operation->progress[i].state != STEP_ISSUED || operation->progress[i].sent)
                        continue;
                r = send_step(operation, i);
                if (r == -EAGAIN && operation->n_unanswered > 0) {
                        operation->unsent = true;
                        return;
                }
                if (r < 0)
                        set_progress(operation, i, STEP_FAILED, r);
        }
        if (operation->n_unanswered == 0)
                schedule_advance(operation);
}

static void begin_phase(Operation *operation) {
        operation->slow = false;
        operation->unsent = true;
        arm_timer(operation, operation->context->slow_usec);
        schedule_advance(operation);
}

/* While undoing, of the undo's steps: what failed before led there. */
static bool step_failed(const Operation *operation, size_t i) {
        const StepProgress *progress = &operation->progress[i];

        return progress->undo == (operation->state == OPERATION_UNDOING) && (progress->state == STEP_FAILED || progress->state == STEP_UNKNOWN);
}

static bool phase_failed(const Operation *operation) {
        for (size_t i = 0; i < operation->plan.n_steps; i++)
                if (step_failed(operation, i))
                        return true;
        return false;
}

static void skip_planned(Operation *operation) {
        for (size_t i = 0; i < operation->plan.n_steps; i++)
                if (operation->progress[i].state == STEP_PLANNED)
                        set_progress(operation, i, STEP_SKIPPED, 0);
}

/* While giving back, what a failed step spoils: after a look for holders, everything; after an unbind, everything else in its group (no member may go to its host
 * driver while another is still usable), or in the operation, where an owner keeps all or nothing; -ENODEV is the kernel's word
 * that the device is not on that driver, and spoils nothing. After an override, the bind under it, or where a reservation is renewed its group:
 * none of it leaves the host then. A failed bind spoils nothing: the recorded override still goes back. */
static bool step_is_spoiled_by(const Operation *operation, const Step *step, const Step *failed, int error) {
        if (failed->kind == STEP_CHECK_HOLDERS)
                return true;
        if (failed->kind == STEP_UNBIND)
                return error != -ENODEV && (operation->owner_may_hold || step->group == failed->group);
        if (failed->kind == STEP_SET_OVERRIDE && operation->request.verb == VERB_RESERVE && operation->state == OPERATION_RUNNING)
                return step->group == failed->group;
        return failed->kind == STEP_SET_OVERRIDE && step->kind == STEP_BIND && pci_address_compare(&step->address, &failed->address) == 0;
}

static void skip_spoiled(Operation *operation) {
        for (size_t f = 0; f < operation->plan.n_steps; f++) {
                if (!step_failed(operation, f))
                        continue;
                for (size_t i = f + 1; i < operation->plan.n_steps; i++)
                        if (operation->progress[i].state == STEP_PLANNED &&
                            step_is_spoiled_by(operation, &operation->plan.steps[i], &operation->plan.steps[f], operation->progress[f].error))
                                set_progress(operation, i, STEP_SKIPPED, 0);
        }
}

static void note_phase_failures(Operation *operation) {
        for (size_t i = 0; i < operation->plan.n_steps; i++)
                if (operation->progress[i].dirty &&
                    (operation->progress[i].state == STEP_FAILED || operation->progress[i].state == STEP_UNKNOWN))
                        note_failure(operation, i);
}

/* Puts the undo's steps behind the others, in phases of their own. */
static int append_undo(Operation *operation, Plan *undo) {
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

static void begin_undo(Operation *operation) {
        skip_planned(operation);
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
        r = append_undo(operation, &undo);
        if (r < 0)
                return r;
        operation->undo_planned = true;
        return 0;
}

/* Marks the next phase, if there is one, as issued. */
static void issue_next_phase(Operation *operation) {
        const Plan *plan = &operation->plan;
        size_t first = 0;

        while (first < plan->n_steps && operation->progress[first].state != STEP_PLANNED)
                first++;
        for (size_t i = first; i < plan->n_steps && plan->steps[i].phase == plan->steps[first].phase; i++)
                if (operation->progress[i].state == STEP_PLANNED)
                        set_progress(operation, i, STEP_ISSUED, 0);
}

static bool has_issued(const Operation *operation) {
        for (size_t i = 0; i < operation->plan.n_steps; i++)
                if (operation->progress[i].state == STEP_ISSUED)
                        return true;
        return false;
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
        close_fds(operation);
        operation->told = true;
}

static void ensure_worker(Operation *operation) {
        int r;

        if (operation->worker)
                return;
        r = worker_new(operation->context->event, &operation->context->launcher, on_worker, operation, &operation->worker);
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
        bool ends = !has_issued(operation);
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
        say_changed(operation, /* stuck_changed= */ false);
        begin_phase(operation);
}

/* A cancelled one goes no further forward. */
static void turn_back(Operation *operation) {
        if (!operation->cancelled || operation->settled || operation->state != OPERATION_RUNNING || has_issued(operation))
                return;
        if (operation->keep_going)
                skip_planned(operation);
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
        if (!has_issued(operation))
                issue_next_phase(operation);
        commit_and_go_on(operation);
}

static void end_phase(Operation *operation) {
        note_phase_failures(operation);
        if (!phase_failed(operation))
                return;
        if (operation->keep_going)
                skip_spoiled(operation);
        else
                begin_undo(operation);
}

static int on_advance(sd_event_source *source, void *userdata) {
        Operation *operation = userdata;

        if (operation->unsent) {
                send_issued(operation);
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
        r = worker_new(operation->context->event, &operation->context->launcher, on_worker, operation, &operation->worker);
        if (r < 0)
                return r;
        operation->state = OPERATION_RUNNING;
        issue_next_phase(operation);
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

static bool step_changes_host(StepKind kind) {
        return kind == STEP_SET_OVERRIDE || kind == STEP_UNBIND || kind == STEP_BIND;
}

static bool nothing_is_given_back(const Operation *operation) {
        for (size_t i = 0; i < operation->plan.n_steps; i++)
                if (operation->progress[i].state != STEP_PLANNED && step_changes_host(operation->plan.steps[i].kind))
                        return false;
        return true;
}

bool operation_cancel(Operation *operation, Refusal *refusal) {
        if (operation->settled || operation->cancelled || operation->state != OPERATION_RUNNING)
                return false;
        if (operation->keep_going && !nothing_is_given_back(operation))
                return false;
        operation->cancelled = true;
        if (operation->outcome.code == REFUSAL_NONE) {
                refusal_done(&operation->outcome);
                operation->outcome = *refusal;
                *refusal = (Refusal) {};
        }
        return true;
}
