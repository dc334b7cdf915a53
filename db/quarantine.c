/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "db/quarantine.h"

#include "db/record-rows.h"

int db_quarantine_insert(Db *db, const DbQuarantine *q, const DbRecord *records, size_t n_records, int64_t *ret_id) {
        int64_t boot, id;
        int r;

        r = db_boot_row(db, q->since_usec, &boot);
        if (r < 0)
                return r;
        r = statement_run_returning(db, "INSERT INTO quarantines(code, detail, assignment, operation, boot, since_usec)"
                                    " VALUES(?, ?, ?, ?, ?, ?) RETURNING id",
                                    VALUES(TEXT(q->code), TEXT(q->detail), INTEGER_OR_NULL(q->assignment, 0), INTEGER_OR_NULL(q->operation, 0),
                                           INTEGER(boot), USEC(q->since_usec)),
                                    &id);
        if (r >= 0)
                r = db_record_insert(db, DB_RECORDS_OF_QUARANTINE, id, records, n_records);
        if (r < 0)
                return r;
        *ret_id = id;
        return 0;
}

int db_quarantine_end(Db *db, int64_t id, uint64_t ended_usec, const char *end_reason) {
        int r;

        r = statement_run_one(db, "UPDATE quarantines SET ended_usec = ?, end_reason = ? WHERE id = ? AND ended_usec IS NULL",
                              VALUES(USEC(ended_usec), TEXT(end_reason), INTEGER(id)));
        if (r < 0)
                return r;
        return record_let_go(db, DB_RECORDS_OF_QUARANTINE, id);
}

static int handle_quarantine(Db *db, int64_t id, db_quarantine_handler_t handler, void *userdata) {
        _cleanup_(statement_done) sqlite3_stmt *s = NULL;
        _cleanup_(record_rows_done) RecordRows records = {};
        DbQuarantine q;
        int r;

        r = record_read(db, DB_RECORDS_OF_QUARANTINE, id, &records);
        if (r < 0)
                return r;
        r = statement_select(db, "SELECT code, detail, assignment, operation, since_usec FROM quarantines WHERE id = ? AND ended_usec IS NULL",
                             VALUES(INTEGER(id)), &s);
        if (r < 0)
                return r;
        r = statement_step(db, s);
        if (r <= 0)
                return r; /* none: the handler of one before it has ended it */
        q = (DbQuarantine){
                .id = id,
                .code = column_text(s, 0),
                .detail = column_text(s, 1),
                .assignment = column_integer(s, 2, 0),
                .operation = column_integer(s, 3, 0),
                .since_usec = (uint64_t) sqlite3_column_int64(s, 4),
        };
        r = statement_check(db);
        if (r < 0)
                return r;
        return handler(&q, records.items, records.n_items, userdata);
}

int db_quarantine_foreach_open(Db *db, db_quarantine_handler_t handler, void *userdata) {
        _cleanup_free_ int64_t *ids = NULL;
        size_t n = 0;
        int r;

        r = statement_read_ids(db, "SELECT id FROM quarantines WHERE ended_usec IS NULL ORDER BY id", &ids, &n);
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = handle_quarantine(db, ids[i], handler, userdata);
        return r < 0 ? r : 0;
}
