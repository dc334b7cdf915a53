/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "db/statement.h"

static int prepare(Db *db, const char *sql, unsigned flags, sqlite3_stmt **ret) {
        const char *rest = NULL;
        int code;

        errno = 0;
        code = sqlite3_prepare_v3(db->sqlite, sql, -1, flags, ret, &rest);
        if (code != SQLITE_OK)
                return db_fail(db, sqlite_to_errno(db->sqlite, code));
        assert(*ret && *rest == '\0');
        return 0;
}

static int statement_get(Db *db, const char *sql, sqlite3_stmt **ret) {
        int r;

        for (size_t i = 0; i < db->n_statements; i++)
                if (db->statements[i].sql == sql) {
                        *ret = db->statements[i].handle;
                        assert(!sqlite3_stmt_busy(*ret));
                        return 0;
                }

        assert(db->n_statements < STATEMENTS_MAX);
        r = prepare(db, sql, SQLITE_PREPARE_PERSISTENT, ret);
        if (r < 0)
                return r;
        db->statements[db->n_statements].sql = sql;
        db->statements[db->n_statements].handle = *ret;
        db->n_statements++;
        return 0;
}

static int bind_one(sqlite3_stmt *statement, int i, const Value *value) {
        switch (value->type) {
        case VALUE_NULL:
                return sqlite3_bind_null(statement, i);
        case VALUE_INTEGER:
                return sqlite3_bind_int64(statement, i, value->integer);
        case VALUE_TEXT:
                return sqlite3_bind_text(statement, i, value->text, -1, SQLITE_STATIC);
        case VALUE_INVALID:
                return SQLITE_TOOBIG;
        }
        assert(false);
        return SQLITE_MISUSE;
}

static int bind(Db *db, sqlite3_stmt *statement, const Value *values, size_t n_values) {
        assert((size_t) sqlite3_bind_parameter_count(statement) == n_values);

        for (size_t i = 0; i < n_values; i++) {
                int code = bind_one(statement, (int) i + 1, values + i);

                if (code != SQLITE_OK) {
                        int r = values[i].type == VALUE_INVALID ? -ERANGE : sqlite_to_errno(db->sqlite, code);

                        (void) sqlite3_clear_bindings(statement);
                        return db_fail(db, r);
                }
        }
        return 0;
}

int statement_select(Db *db, const char *sql, const Value *values, size_t n_values, sqlite3_stmt **ret) {
        sqlite3_stmt *statement = NULL;
        int r;

        r = statement_get(db, sql, &statement);
        if (r < 0)
                return r;
        r = bind(db, statement, values, n_values);
        if (r < 0)
                return r;
        *ret = statement;
        return 0;
}

int statement_prepare(Db *db, const char *sql, const Value *values, size_t n_values, sqlite3_stmt **ret) {
        _cleanup_(statement_finalize) sqlite3_stmt *statement = NULL;
        int r;

        r = prepare(db, sql, 0, &statement);
        if (r < 0)
                return r;
        r = bind(db, statement, values, n_values);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(statement);
        return 0;
}

int statement_step(Db *db, sqlite3_stmt *statement) {
        int code;

        errno = 0;
        code = sqlite3_step(statement);
        if (code == SQLITE_ROW)
                return 1;
        if (code == SQLITE_DONE)
                return 0;
        return db_fail(db, sqlite_to_errno(db->sqlite, code));
}

int statement_check(Db *db) {
        return sqlite3_errcode(db->sqlite) == SQLITE_NOMEM ? db_fail(db, -ENOMEM) : 0;
}

/* Some failures make SQLite roll back by itself; what came after would then be committed alone. */
static int may_write(const Db *db) {
        assert(db->in_transaction);
        return db->error;
}

int statement_run(Db *db, const char *sql, const Value *values, size_t n_values) {
        _cleanup_(statement_done) sqlite3_stmt *statement = NULL;
        int r;

        r = may_write(db);
        if (r < 0)
                return r;
        r = statement_select(db, sql, values, n_values, &statement);
        if (r < 0)
                return r;
        r = statement_step(db, statement);
        if (r < 0)
                return r;
        assert(r == 0);
        return sqlite3_changes(db->sqlite);
}

int statement_run_one(Db *db, const char *sql, const Value *values, size_t n_values) {
        int r;

        r = statement_run(db, sql, values, n_values);
        if (r < 0)
                return r;
        return r == 0 ? db_fail(db, -ENOENT) : 0;
}

int statement_run_returning(Db *db, const char *sql, const Value *values, size_t n_values, int64_t *ret) {
        _cleanup_(statement_done) sqlite3_stmt *statement = NULL;
        int64_t value;
        int r;

        r = may_write(db);
        if (r < 0)
                return r;
        r = statement_select(db, sql, values, n_values, &statement);
        if (r < 0)
                return r;
        r = statement_step(db, statement);
        if (r < 0)
                return r;
        if (r == 0)
                return db_fail(db, -ENOENT);
        value = sqlite3_column_int64(statement, 0);
        r = statement_step(db, statement);
        if (r < 0)
                return r;
        assert(r == 0);
        *ret = value;
        return 0;
}

int statement_read_ids(Db *db, const char *sql, int64_t **ret, size_t *ret_n) {
        _cleanup_(statement_done) sqlite3_stmt *statement = NULL;
        _cleanup_free_ int64_t *ids = NULL;
        size_t n = 0;
        int r;

        r = statement_select(db, sql, NULL, 0, &statement);
        if (r < 0)
                return r;
        while ((r = statement_step(db, statement)) > 0) {
                int64_t *more = reallocarray(ids, n + 1, sizeof(int64_t));

                if (!more)
                        return -ENOMEM;
                ids = more;
                ids[n++] = sqlite3_column_int64(statement, 0);
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(ids);
        *ret_n = n;
        return 0;
}
