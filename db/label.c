/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "db/label.h"

#include "db/statement.h"

int db_label_set(Db *db, const char *address, const char *label, int64_t caller_uid, uint64_t at_usec) {
        int64_t boot;
        int r;

        r = db_boot_row(db, at_usec, &boot);
        if (r < 0)
                return r;
        r = statement_run(db, "DELETE FROM labels WHERE address = ?", VALUES(TEXT(address)));
        if (r < 0 || !label)
                return r < 0 ? r : 0;
        r = statement_run(db, "INSERT INTO labels(address, label, at_usec, boot, caller_uid) VALUES(?, ?, ?, ?, ?)",
                          VALUES(TEXT(address), TEXT(label), USEC(at_usec), INTEGER(boot), INTEGER(caller_uid)));
        return r < 0 ? r : 0;
}

int db_label_foreach(Db *db, db_label_handler_t handler, void *userdata) {
        _cleanup_(statement_done) sqlite3_stmt *s = NULL;
        int r;

        r = statement_select(db, "SELECT address, label FROM labels ORDER BY address", NULL, 0, &s);
        if (r < 0)
                return r;
        while ((r = statement_step(db, s)) > 0) {
                r = statement_check(db);
                if (r >= 0)
                        r = handler(column_text(s, 0), column_text(s, 1), userdata);
                if (r < 0)
                        return r;
        }
        return r;
}
