/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/journal.h"

#include "base/clock.h"
#include "db/operation.h"

static const DbStepState step_states[_STEP_STATE_MAX] = {
        [STEP_PLANNED] = DB_STEP_PLANNED,
        [STEP_ISSUED] = DB_STEP_ISSUED,
        [STEP_DONE] = DB_STEP_DONE,
        [STEP_FAILED] = DB_STEP_FAILED,
        [STEP_SKIPPED] = DB_STEP_SKIPPED,
        [STEP_UNKNOWN] = DB_STEP_UNKNOWN,
};

static bool step_has_address(StepKind kind) {
        switch (kind) {
        case STEP_SET_OVERRIDE:
        case STEP_UNBIND:
        case STEP_BIND:
        case STEP_OPEN_CDEV:
        case STEP_OPEN_DEVICE:
        case STEP_SET_DEVICE_NODE:
                return true;
        case STEP_LOAD_MODULE:
        case STEP_OPEN_IOMMUFD:
        case STEP_OPEN_CONTAINER:
        case STEP_OPEN_GROUP:
        case STEP_CHECK_HOLDERS:
        case STEP_SET_GROUP_NODE:
        case _STEP_KIND_MAX:
        case _STEP_KIND_INVALID:
                return false;
        }
        return false;
}

static int insert_step(Operation *operation, size_t i) {
        const Step *step = &operation->plan.steps[i];
        const StepProgress *progress = &operation->progress[i];
        char address[PCI_ADDRESS_STRING_MAX];

        return db_step_insert(operation->context->db, (int64_t) operation->id, &(DbStep) {
                .sequence = (uint32_t) i + 1,
                .phase = step->phase,
                .kind = step_kind_to_string(step->kind),
                .address = step_has_address(step->kind) ? pci_address_format(&step->address, address) : NULL,
                .group = step->group == GROUP_NONE ? -1 : (int64_t) step->group,
                .value = step->value,
                .prior = step->prior,
                .undo = progress->undo,
                .state = step_states[progress->state],
                .error = progress->error,
        });
}

int journal_insert(Operation *operation) {
        Db *db = operation->context->db;
        int64_t id = (int64_t) operation->id;
        const DbOperation row = {
                .verb = verb_to_string(operation->request.verb),
                .state = operation_state_to_string(operation->state),
                .owner = operation->request.owner,
                .assignment = (int64_t) operation->assignment,
                .caller_uid = (int64_t) operation->request.caller.uid,
                .caller_pid = (int64_t) operation->request.caller.pid,
                .caller_name = operation->request.caller.bus_name,
                .worker_pid = operation->worker ? (int64_t) worker_pid(operation->worker) : 0,
                .worker_start_time = operation->worker ? worker_start_time(operation->worker) : 0,
                .created_usec = operation->created_usec,
        };
        int r;

        if (id > 0)
                r = db_operation_set_begun(db, id, &row, operation->groups, operation->n_groups);
        else
                r = db_operation_insert(db, &row, operation->groups, operation->n_groups, &id);
        if (r < 0)
                return r;
        operation->id = (uint64_t) id;
        return journal_update(operation);
}

int journal_update(Operation *operation) {
        int r;

        for (size_t i = 0; i < operation->plan.n_steps; i++) {
                const StepProgress *progress = &operation->progress[i];

                if (!progress->journalled)
                        r = insert_step(operation, i);
                else if (progress->dirty)
                        r = db_step_set_state(operation->context->db, (int64_t) operation->id, (uint32_t) i + 1,
                                              step_states[progress->state], progress->error, realtime_usec());
                else
                        continue;
                if (r < 0)
                        return r;
        }
        return 0;
}

void journal_clean(Operation *operation) {
        for (size_t i = 0; i < operation->plan.n_steps; i++) {
                operation->progress[i].journalled = true;
                operation->progress[i].dirty = false;
        }
}

int journal_set_state(Operation *operation) {
        return db_operation_set_state(operation->context->db, (int64_t) operation->id, operation_state_to_string(operation->state),
                                      operation->finished_usec, operation->outcome.message);
}

int journal_set_worker(Operation *operation) {
        return db_operation_set_worker(operation->context->db, (int64_t) operation->id, (int64_t) worker_pid(operation->worker),
                                       worker_start_time(operation->worker));
}
