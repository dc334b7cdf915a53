/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "db/drift.h"

#include "db/statement.h"

int db_drift_insert(Db *db, const DbDrift *d) {
        int64_t boot;
        int r;

        r = db_boot_row(db, d->at_usec, &boot);
        if (r < 0)
                return r;
        r = statement_run(db, "INSERT INTO drifts(at_usec, boot, code, group_number, address, detail, assignment, reservation, manager, quarantine)"
                          " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                          VALUES(USEC(d->at_usec), INTEGER(boot), TEXT(d->code), INTEGER(d->group), TEXT(d->address), TEXT(d->detail),
                                 INTEGER_OR_NULL(d->assignment, 0), INTEGER_OR_NULL(d->reservation, 0), TEXT(d->manager),
                                 INTEGER_OR_NULL(d->quarantine, 0)));
        return r < 0 ? r : 0;
}

int db_drift_foreach_current(Db *db, db_drift_handler_t handler, void *userdata) {
        _cleanup_(statement_done) sqlite3_stmt *s = NULL;
        int r;

        r = statement_select(db, "SELECT d.at_usec, d.code, d.group_number, d.address, d.detail, d.assignment, d.reservation, d.manager, d.quarantine"
                             " FROM drifts d JOIN boots b ON b.id = d.boot WHERE b.boot_id = ?"
                             " AND (d.assignment IN (SELECT id FROM assignments WHERE ended_usec IS NULL)"
                             " OR d.reservation IN (SELECT id FROM reservations WHERE ended_usec IS NULL)) ORDER BY d.id",
                             VALUES(TEXT(db_boot_id(db))), &s);
        if (r < 0)
                return r;
        while ((r = statement_step(db, s)) > 0) {
                DbDrift drift = {
                        .at_usec = (uint64_t) sqlite3_column_int64(s, 0),
                        .code = column_text(s, 1),
                        .group = (uint32_t) sqlite3_column_int64(s, 2),
                        .address = column_text(s, 3),
                        .detail = column_text(s, 4),
                        .assignment = column_integer(s, 5, 0),
                        .reservation = column_integer(s, 6, 0),
                        .manager = column_text(s, 7),
                        .quarantine = column_integer(s, 8, 0),
                };

                r = statement_check(db);
                if (r >= 0)
                        r = handler(&drift, userdata);
                if (r < 0)
                        return r;
        }
        return r;
}
