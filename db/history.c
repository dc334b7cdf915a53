/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/strutil.h"
#include "db/inventory.h"
#include "db/statement.h"

void db_history_free(DbHistory *history, size_t n) {
        for (size_t i = 0; i < n; i++) {
                free(history[i].event);
                free(history[i].detail);
        }
        free(history);
}

static int append(sqlite3_stmt *s, DbHistory **history, size_t *n) {
        DbHistory *more, *row;
        int r;

        more = reallocarray(*history, *n + 1, sizeof(DbHistory));
        if (!more)
                return -ENOMEM;
        *history = more;
        row = more + (*n)++;
        *row = (DbHistory){ .at_usec = (uint64_t) sqlite3_column_int64(s, 0) };
        r = string_copy(column_text(s, 1), &row->event);
        if (r < 0)
                return r;
        return string_copy(column_text(s, 2), &row->detail);
}

static int read_rows(Db *db, sqlite3_stmt *s, DbHistory **ret, size_t *ret_n) {
        DbHistory *history = NULL;
        size_t n = 0;
        int r;

        while ((r = statement_step(db, s)) > 0) {
                r = append(s, &history, &n);
                if (r >= 0)
                        r = statement_check(db);
                if (r < 0)
                        break;
        }
        if (r < 0) {
                db_history_free(history, n);
                return r;
        }
        *ret = history;
        *ret_n = n;
        return 0;
}

int db_shape_changes_read(Db *db, size_t max, DbHistory **ret, size_t *ret_n) {
        _cleanup_(statement_done) sqlite3_stmt *s = NULL;
        int r;

        r = statement_select(db, "SELECT c.at_usec, c.event, coalesce(c.address, 'group ' || c.group_number) || ' ' || c.detail"
                             " FROM shape_changes c JOIN boots b ON b.id = c.boot WHERE b.boot_id = ? AND b.id > (SELECT min(id) FROM boots)"
                             " ORDER BY c.id LIMIT ?", VALUES(TEXT(db_boot_id(db)), INTEGER(max > INT64_MAX ? INT64_MAX : max)), &s);
        return r < 0 ? r : read_rows(db, s, ret, ret_n);
}

int db_history_read(Db *db, const char *address, int64_t number, size_t max, DbHistory **ret, size_t *ret_n) {
        _cleanup_(statement_done) sqlite3_stmt *s = NULL;
        Value limit = INTEGER(max > INT64_MAX ? INT64_MAX : max);
        int r;

        if (address)
                r = statement_select(db, "SELECT at_usec, event, detail FROM device_history WHERE address = ? ORDER BY at_usec DESC LIMIT ?",
                                     VALUES(TEXT(address), limit), &s);
        else
                r = statement_select(db, "SELECT at_usec, event, detail FROM group_history WHERE group_number = ? ORDER BY at_usec DESC LIMIT ?",
                                     VALUES(INTEGER(number), limit), &s);
        if (r < 0)
                return r;
        return read_rows(db, s, ret, ret_n);
}
