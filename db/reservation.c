/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "db/reservation.h"

#include "db/record-rows.h"

int db_reservation_insert(Db *db, const DbReservation *x, const DbRecord *records, size_t n_records, int64_t *ret_id) {
        int64_t boot, id;
        int r;

        r = db_boot_row(db, x->created_usec, &boot);
        if (r < 0)
                return r;
        r = statement_run_returning(db, "INSERT INTO reservations(state, caller_uid, boot, created_usec) VALUES(?, ?, ?, ?) RETURNING id",
                                    VALUES(TEXT(x->state), INTEGER(x->caller_uid), INTEGER(boot), USEC(x->created_usec)), &id);
        if (r >= 0)
                r = db_record_insert(db, DB_RECORDS_OF_RESERVATION, id, records, n_records);
        if (r < 0)
                return r;
        *ret_id = id;
        return 0;
}

int db_reservation_set_state(Db *db, int64_t id, const char *state, uint64_t ended_usec, const char *end_reason) {
        int r;

        r = statement_run_one(db, "UPDATE reservations SET state = ?, ended_usec = ?, end_reason = ? WHERE id = ? AND ended_usec IS NULL",
                              VALUES(TEXT(state), USEC_OR_NULL(ended_usec), TEXT(end_reason), INTEGER(id)));
        if (r < 0 || ended_usec == 0)
                return r;
        return record_let_go(db, DB_RECORDS_OF_RESERVATION, id);
}

int db_reservation_renew(Db *db, int64_t id, uint64_t now_usec, const DbRecord *records, size_t n_records) {
        int64_t boot;
        int r;

        r = db_boot_row(db, now_usec, &boot);
        if (r < 0)
                return r;
        r = statement_run_one(db, "UPDATE reservations SET boot = ? WHERE id = ? AND ended_usec IS NULL", VALUES(INTEGER(boot), INTEGER(id)));
        if (r >= 0)
                r = record_remove(db, DB_RECORDS_OF_RESERVATION, id);
        if (r < 0)
                return r;
        return db_record_insert(db, DB_RECORDS_OF_RESERVATION, id, records, n_records);
}

static int handle_reservation(Db *db, int64_t id, db_reservation_handler_t handler, void *userdata) {
        _cleanup_(statement_done) sqlite3_stmt *s = NULL;
        _cleanup_(record_rows_done) RecordRows records = {};
        DbReservation x;
        int r;

        r = record_read(db, DB_RECORDS_OF_RESERVATION, id, &records);
        if (r < 0)
                return r;
        r = statement_select(db, "SELECT r.state, r.caller_uid, b.boot_id, r.created_usec FROM reservations r JOIN boots b ON b.id = r.boot"
                             " WHERE r.id = ? AND r.ended_usec IS NULL",
                             VALUES(INTEGER(id)), &s);
        if (r < 0)
                return r;
        r = statement_step(db, s);
        if (r <= 0)
                return r; /* none: the handler of one before it has ended it */
        x = (DbReservation){
                .id = id,
                .state = column_text(s, 0),
                .caller_uid = sqlite3_column_int64(s, 1),
                .boot_id = column_text(s, 2),
                .created_usec = (uint64_t) sqlite3_column_int64(s, 3),
        };
        r = statement_check(db);
        if (r < 0)
                return r;
        return handler(&x, records.items, records.n_items, userdata);
}

int db_reservation_foreach_open(Db *db, db_reservation_handler_t handler, void *userdata) {
        _cleanup_free_ int64_t *ids = NULL;
        size_t n = 0;
        int r;

        r = statement_read_ids(db, "SELECT id FROM reservations WHERE ended_usec IS NULL ORDER BY id", &ids, &n);
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = handle_reservation(db, ids[i], handler, userdata);
        return r < 0 ? r : 0;
}
