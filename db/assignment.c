/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "db/assignment.h"

#include "db/record-rows.h"

int db_assignment_insert(Db *db, const DbAssignment *a, const DbRecord *records, size_t n_records, int64_t *ret_id) {
        int64_t boot, id;
        int r;

        r = db_boot_row(db, a->created_usec, &boot);
        if (r < 0)
                return r;
        r = statement_run_returning(db, "INSERT INTO assignments(owner, state, label, backend, lease, node_access, caller_uid, boot, created_usec)"
                                    " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
                                    VALUES(TEXT(a->owner), TEXT(a->state), TEXT(a->label), TEXT(a->backend), INTEGER(a->lease), TEXT(a->node_access),
                                           INTEGER(a->caller_uid), INTEGER(boot), USEC(a->created_usec)),
                                    &id);
        if (r >= 0)
                r = db_record_insert(db, DB_RECORDS_OF_ASSIGNMENT, id, records, n_records);
        if (r < 0)
                return r;
        *ret_id = id;
        return 0;
}

int db_assignment_set_state(Db *db, int64_t id, const char *state, uint64_t ended_usec, const char *end_reason) {
        int r;

        r = statement_run_one(db, "UPDATE assignments SET state = ?, ended_usec = ?, end_reason = ? WHERE id = ? AND ended_usec IS NULL",
                              VALUES(TEXT(state), USEC_OR_NULL(ended_usec), TEXT(end_reason), INTEGER(id)));
        if (r < 0 || ended_usec == 0)
                return r;
        return record_let_go(db, DB_RECORDS_OF_ASSIGNMENT, id);
}

int db_assignment_set_backend(Db *db, int64_t id, const char *backend) {
        return statement_run_one(db, "UPDATE assignments SET backend = ? WHERE id = ? AND ended_usec IS NULL", VALUES(TEXT(backend), INTEGER(id)));
}

int db_assignment_has_let_go(Db *db, int64_t id) {
        _cleanup_(statement_done) sqlite3_stmt *s = NULL;
        int r;

        r = statement_select(db, "WITH its AS (SELECT o.id, o.verb, s.kind, s.state FROM operations o JOIN steps s ON s.operation = o.id"
                             "   WHERE o.verb IN ('release', 'recover') AND s.address IN (SELECT address FROM assignment_devices WHERE assignment = ?)"
                             "   AND o.id > (SELECT coalesce(max(id), 0) FROM operations WHERE assignment = ? AND verb = 'assign'))"
                             " SELECT 1 FROM its WHERE id >= (SELECT max(id) FROM its WHERE verb = 'release')"
                             "   AND kind IN ('set-override', 'bind') AND state IN ('issued', 'done', 'failed', 'unknown') LIMIT 1",
                             VALUES(INTEGER(id), INTEGER(id)), &s);
        return r < 0 ? r : statement_step(db, s);
}

static int handle_assignment(Db *db, int64_t id, db_assignment_handler_t handler, void *userdata) {
        _cleanup_(statement_done) sqlite3_stmt *s = NULL;
        _cleanup_(record_rows_done) RecordRows records = {};
        DbAssignment a;
        int r;

        r = record_read(db, DB_RECORDS_OF_ASSIGNMENT, id, &records);
        if (r < 0)
                return r;
        r = statement_select(db, "SELECT a.owner, a.state, a.label, a.backend, a.lease, a.caller_uid, b.boot_id, a.created_usec, a.node_access"
                             " FROM assignments a JOIN boots b ON b.id = a.boot WHERE a.id = ? AND a.ended_usec IS NULL",
                             VALUES(INTEGER(id)), &s);
        if (r < 0)
                return r;
        r = statement_step(db, s);
        if (r <= 0)
                return r; /* none: the handler of one before it has ended it */
        a = (DbAssignment){
                .id = id,
                .owner = column_text(s, 0),
                .state = column_text(s, 1),
                .label = column_text(s, 2),
                .backend = column_text(s, 3),
                .lease = sqlite3_column_int64(s, 4) != 0,
                .caller_uid = sqlite3_column_int64(s, 5),
                .boot_id = column_text(s, 6),
                .created_usec = (uint64_t) sqlite3_column_int64(s, 7),
                .node_access = column_text(s, 8),
        };
        r = statement_check(db);
        if (r < 0)
                return r;
        return handler(&a, records.items, records.n_items, userdata);
}

int db_assignment_foreach_open(Db *db, db_assignment_handler_t handler, void *userdata) {
        _cleanup_free_ int64_t *ids = NULL;
        size_t n = 0;
        int r;

        r = statement_read_ids(db, "SELECT id FROM assignments WHERE ended_usec IS NULL ORDER BY id", &ids, &n);
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = handle_assignment(db, ids[i], handler, userdata);
        return r < 0 ? r : 0;
}
