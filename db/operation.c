/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "db/operation.h"

#include "base/strutil.h"
#include "db/statement.h"

static const char *const step_states[_DB_STEP_STATE_MAX] = {
        [DB_STEP_PLANNED] = "planned", [DB_STEP_ISSUED] = "issued",   [DB_STEP_DONE] = "done",
        [DB_STEP_FAILED] = "failed",   [DB_STEP_SKIPPED] = "skipped", [DB_STEP_UNKNOWN] = "unknown",
};

static int step_state_from_string(const char *s, DbStepState *ret) {
        int i = string_table_find(step_states, _DB_STEP_STATE_MAX, s);

        if (i < 0)
                return -EUCLEAN;
        *ret = (DbStepState) i;
        return 0;
}

static int insert_groups(Db *db, int64_t id, const uint32_t *groups, size_t n_groups) {
        for (size_t i = 0; i < n_groups; i++) {
                int r = statement_run(db, "INSERT INTO operation_groups(operation, group_number) VALUES(?, ?)",
                                      VALUES(INTEGER(id), INTEGER(groups[i])));

                if (r < 0)
                        return r;
        }
        return 0;
}

int db_operation_insert(Db *db, const DbOperation *o, const uint32_t *groups, size_t n_groups, int64_t *ret_id) {
        int64_t boot, id;
        int r;

        r = db_boot_row(db, o->created_usec, &boot);
        if (r < 0)
                return r;
        r = statement_run_returning(
                        db, "INSERT INTO operations(verb, state, owner, assignment, caller_uid, caller_pid, caller_name, boot,"
                        " worker_pid, worker_start_time, created_usec, finished_usec, reason)"
                        " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
                        VALUES(TEXT(o->verb), TEXT(o->state), TEXT(o->owner), INTEGER_OR_NULL(o->assignment, 0), INTEGER(o->caller_uid),
                               INTEGER(o->caller_pid), TEXT(o->caller_name), INTEGER(boot), INTEGER_OR_NULL(o->worker_pid, 0),
                               USEC_OR_NULL(o->worker_start_time), USEC(o->created_usec), USEC_OR_NULL(o->finished_usec),
                               TEXT(o->reason)),
                        &id);
        if (r < 0)
                return r;
        r = insert_groups(db, id, groups, n_groups);
        if (r < 0)
                return r;
        *ret_id = id;
        return 0;
}

int db_operation_set_begun(Db *db, int64_t id, const DbOperation *o, const uint32_t *groups, size_t n_groups) {
        int r;

        r = statement_run_one(db, "UPDATE operations SET state = ?, owner = ?, assignment = ?, worker_pid = ?, worker_start_time = ?"
                              " WHERE id = ? AND finished_usec IS NULL",
                              VALUES(TEXT(o->state), TEXT(o->owner), INTEGER_OR_NULL(o->assignment, 0), INTEGER_OR_NULL(o->worker_pid, 0),
                                     USEC_OR_NULL(o->worker_start_time), INTEGER(id)));
        if (r < 0)
                return r;
        r = statement_run(db, "DELETE FROM operation_groups WHERE operation = ?", VALUES(INTEGER(id)));
        return r < 0 ? r : insert_groups(db, id, groups, n_groups);
}

int db_operation_set_worker(Db *db, int64_t id, int64_t pid, uint64_t start_time) {
        return statement_run_one(db, "UPDATE operations SET worker_pid = ?, worker_start_time = ? WHERE id = ? AND finished_usec IS NULL",
                                 VALUES(INTEGER_OR_NULL(pid, 0), USEC_OR_NULL(start_time), INTEGER(id)));
}

int db_operation_set_state(Db *db, int64_t id, const char *state, uint64_t finished_usec, const char *reason) {
        return statement_run_one(db, "UPDATE operations SET state = ?, finished_usec = ?, reason = ? WHERE id = ? AND finished_usec IS NULL",
                                 VALUES(TEXT(state), USEC_OR_NULL(finished_usec), TEXT(reason), INTEGER(id)));
}

int db_step_insert(Db *db, int64_t operation, const DbStep *s) {
        int r;

        r = statement_run(db, "INSERT INTO steps(operation, sequence, phase, kind, address, group_number, value, prior, undo, state, error)"
                          " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                          VALUES(INTEGER(operation), INTEGER(s->sequence), INTEGER(s->phase), TEXT(s->kind), TEXT(s->address),
                                 INTEGER_OR_NULL(s->group, -1), TEXT(s->value), TEXT(s->prior), INTEGER(s->undo),
                                 TEXT(step_states[s->state]), INTEGER(s->error)));
        return r < 0 ? r : 0;
}

int db_step_set_state(Db *db, int64_t operation, uint32_t sequence, DbStepState state, int error, uint64_t now_usec) {
        bool issued = state == DB_STEP_ISSUED;

        return statement_run_one(db, "UPDATE steps SET state = ?, error = ?, issued_usec = coalesce(?, issued_usec),"
                                 " answered_usec = ? WHERE operation = ? AND sequence = ?",
                                 VALUES(TEXT(step_states[state]), INTEGER(error), issued ? USEC(now_usec) : TEXT(NULL),
                                        issued ? TEXT(NULL) : USEC(now_usec), INTEGER(operation), INTEGER(sequence)));
}

static int read_groups(Db *db, int64_t id, uint32_t **groups, size_t *n_groups) {
        _cleanup_(statement_done) sqlite3_stmt *s = NULL;
        int r;

        r = statement_select(db, "SELECT group_number FROM operation_groups WHERE operation = ? ORDER BY group_number", VALUES(INTEGER(id)), &s);
        if (r < 0)
                return r;
        while ((r = statement_step(db, s)) > 0) {
                uint32_t *more = reallocarray(*groups, *n_groups + 1, sizeof(uint32_t));

                if (!more)
                        return -ENOMEM;
                *groups = more;
                more[(*n_groups)++] = (uint32_t) sqlite3_column_int64(s, 0);
        }
        return r;
}

static int handle_operation(Db *db, int64_t id, db_operation_handler_t handler, void *userdata) {
        _cleanup_(statement_done) sqlite3_stmt *s = NULL;
        _cleanup_free_ uint32_t *groups = NULL;
        size_t n_groups = 0;
        DbOperation o;
        int r;

        r = read_groups(db, id, &groups, &n_groups);
        if (r < 0)
                return r;
        r = statement_select(db, "SELECT o.verb, o.state, o.owner, o.assignment, o.caller_uid, o.caller_pid, o.caller_name, b.boot_id,"
                             " o.worker_pid, o.worker_start_time, o.created_usec, o.finished_usec, o.reason"
                             " FROM operations o JOIN boots b ON b.id = o.boot WHERE o.id = ? AND o.finished_usec IS NULL",
                             VALUES(INTEGER(id)), &s);
        if (r < 0)
                return r;
        r = statement_step(db, s);
        if (r <= 0)
                return r; /* none: the handler of one before it has ended it */
        o = (DbOperation){
                .id = id,
                .verb = column_text(s, 0),
                .state = column_text(s, 1),
                .owner = column_text(s, 2),
                .assignment = column_integer(s, 3, 0),
                .caller_uid = sqlite3_column_int64(s, 4),
                .caller_pid = sqlite3_column_int64(s, 5),
                .caller_name = column_text(s, 6),
                .boot_id = column_text(s, 7),
                .worker_pid = column_integer(s, 8, 0),
                .worker_start_time = (uint64_t) column_integer(s, 9, 0),
                .created_usec = (uint64_t) sqlite3_column_int64(s, 10),
                .finished_usec = (uint64_t) column_integer(s, 11, 0),
                .reason = column_text(s, 12),
        };
        r = statement_check(db);
        if (r < 0)
                return r;
        return handler(&o, groups, n_groups, userdata);
}

int db_operation_foreach_open(Db *db, db_operation_handler_t handler, void *userdata) {
        _cleanup_free_ int64_t *ids = NULL;
        size_t n = 0;
        int r;

        r = statement_read_ids(db, "SELECT id FROM operations WHERE finished_usec IS NULL ORDER BY id", &ids, &n);
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = handle_operation(db, ids[i], handler, userdata);
        return r < 0 ? r : 0;
}

int db_step_foreach(Db *db, int64_t operation, db_step_handler_t handler, void *userdata) {
        _cleanup_(statement_done) sqlite3_stmt *s = NULL;
        int r;

        r = statement_select(db, "SELECT sequence, phase, kind, address, group_number, value, prior, undo, state, error"
                             " FROM steps WHERE operation = ? ORDER BY sequence", VALUES(INTEGER(operation)), &s);
        if (r < 0)
                return r;
        while ((r = statement_step(db, s)) > 0) {
                DbStep step = {
                        .sequence = (uint32_t) sqlite3_column_int64(s, 0),
                        .phase = (uint32_t) sqlite3_column_int64(s, 1),
                        .kind = column_text(s, 2),
                        .address = column_text(s, 3),
                        .group = column_integer(s, 4, -1),
                        .value = column_text(s, 5),
                        .prior = column_text(s, 6),
                        .undo = sqlite3_column_int64(s, 7) != 0,
                        .error = sqlite3_column_int(s, 9),
                };

                r = step_state_from_string(column_text(s, 8), &step.state);
                if (r >= 0)
                        r = statement_check(db);
                if (r >= 0)
                        r = handler(&step, userdata);
                if (r < 0)
                        return r;
        }
        return r;
}
