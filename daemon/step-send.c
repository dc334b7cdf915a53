/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/step-send.h"

#include "base/log.h"
#include "daemon/progress.h"
#include "daemon/step-request.h"
#include "daemon/stuck.h"

void step_send_close_fds(Operation *operation) {
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

void step_send_forget_modules(Operation *operation) {
        for (ModuleStep *step = operation->module_steps, *next; step; step = next) {
                next = step->next;
                free(step);
        }
        operation->module_steps = NULL;
}

static void step_answered(Operation *operation, size_t i, StepState state, int error) {
        assert(operation->n_unanswered > 0);

        progress_set(operation, i, state, error);
        operation->n_unanswered--;
        if (operation->n_unanswered == 0 || operation->unsent)
                operation_schedule_advance(operation);
        operation_say_changed(operation, /* stuck_changed= */ false);
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
void step_send_issued(Operation *operation) {
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
                        progress_set(operation, i, STEP_FAILED, r);
        }
        if (operation->n_unanswered == 0)
                operation_schedule_advance(operation);
}

int step_send_start_worker(Operation *operation) {
        return worker_new(operation->context->event, &operation->context->launcher, on_worker, operation, &operation->worker);
}
