/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/strutil.h"
#include "db/record-rows.h"

/* All columns but `held`, in the order of insert_one() and append(). */
#define COLUMNS \
        "address, vendor, device, subsystem_vendor, subsystem_device, class, revision, group_number, wanted, driver, driver_override," \
        " vfio_driver, node, group_node"

#define SQL_OF(table, id) \
        { \
                .insert = "INSERT INTO " table "(" id ", " COLUMNS ", held) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)", \
                .read = "SELECT " COLUMNS " FROM " table " WHERE " id " = ? ORDER BY address", \
                .let_go = "UPDATE " table " SET held = NULL WHERE " id " = ?", \
                .remove = "DELETE FROM " table " WHERE " id " = ?", \
        }

static const struct {
        const char *insert, *read, *let_go, *remove;
} sql_table[_DB_RECORD_KEEPER_MAX] = {
        [DB_RECORDS_OF_ASSIGNMENT] = SQL_OF("assignment_devices", "assignment"),
        [DB_RECORDS_OF_RESERVATION] = SQL_OF("reservation_devices", "reservation"),
        [DB_RECORDS_OF_QUARANTINE] = SQL_OF("quarantine_devices", "quarantine"),
};

static int insert_one(Db *db, const char *sql, int64_t id, const DbRecord *d) {
        int r;

        r = statement_run(db, sql, VALUES(INTEGER(id), TEXT(d->address), INTEGER(d->vendor), INTEGER(d->device), INTEGER(d->subsystem_vendor),
                                          INTEGER(d->subsystem_device), INTEGER(d->class), INTEGER(d->revision),
                                          INTEGER_OR_NULL(d->group, DB_GROUP_NONE), INTEGER(d->wanted), TEXT(d->driver), TEXT(d->override), TEXT(d->vfio_driver),
                                          TEXT(d->node), TEXT(d->group_node)));
        return r < 0 ? r : 0;
}

int db_record_insert(Db *db, DbRecordKeeper keeper, int64_t id, const DbRecord *records, size_t n_records) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < n_records; i++)
                r = insert_one(db, sql_table[keeper].insert, id, records + i);
        return r;
}

void record_rows_done(RecordRows *rows) {
        for (size_t i = 0; i < rows->n_items; i++) {
                free((char *) rows->items[i].address);
                free((char *) rows->items[i].driver);
                free((char *) rows->items[i].override);
                free((char *) rows->items[i].vfio_driver);
                free((char *) rows->items[i].node);
                free((char *) rows->items[i].group_node);
        }
        free(rows->items);
        *rows = (RecordRows){};
}

static int copy_column(sqlite3_stmt *s, int column, const char **ret) {
        char *copy = NULL;
        int r;

        r = string_copy(column_text(s, column), &copy);
        if (r < 0)
                return r;
        *ret = copy;
        return 0;
}

static int append(Db *db, sqlite3_stmt *s, RecordRows *rows) {
        DbRecord *items, *d;
        int r;

        items = reallocarray(rows->items, rows->n_items + 1, sizeof(DbRecord));
        if (!items)
                return -ENOMEM;
        rows->items = items;
        d = items + rows->n_items++;
        *d = (DbRecord){
                .vendor = (uint32_t) sqlite3_column_int64(s, 1),
                .device = (uint32_t) sqlite3_column_int64(s, 2),
                .subsystem_vendor = (uint32_t) sqlite3_column_int64(s, 3),
                .subsystem_device = (uint32_t) sqlite3_column_int64(s, 4),
                .class = (uint32_t) sqlite3_column_int64(s, 5),
                .revision = (uint32_t) sqlite3_column_int64(s, 6),
                .group = (uint32_t) column_integer(s, 7, DB_GROUP_NONE),
                .wanted = sqlite3_column_int64(s, 8) != 0,
        };
        r = copy_column(s, 0, &d->address);
        if (r >= 0)
                r = copy_column(s, 9, &d->driver);
        if (r >= 0)
                r = copy_column(s, 10, &d->override);
        if (r >= 0)
                r = copy_column(s, 11, &d->vfio_driver);
        if (r >= 0)
                r = copy_column(s, 12, &d->node);
        if (r >= 0)
                r = copy_column(s, 13, &d->group_node);
        return r < 0 ? r : statement_check(db);
}

int record_read(Db *db, DbRecordKeeper keeper, int64_t id, RecordRows *rows) {
        _cleanup_(statement_done) sqlite3_stmt *s = NULL;
        int r;

        r = statement_select(db, sql_table[keeper].read, VALUES(INTEGER(id)), &s);
        if (r < 0)
                return r;
        while ((r = statement_step(db, s)) > 0) {
                r = append(db, s, rows);
                if (r < 0)
                        return r;
        }
        return r;
}

int record_let_go(Db *db, DbRecordKeeper keeper, int64_t id) {
        int r;

        r = statement_run(db, sql_table[keeper].let_go, VALUES(INTEGER(id)));
        return r < 0 ? r : 0;
}

int record_remove(Db *db, DbRecordKeeper keeper, int64_t id) {
        int r;

        r = statement_run(db, sql_table[keeper].remove, VALUES(INTEGER(id)));
        return r < 0 ? r : 0;
}
