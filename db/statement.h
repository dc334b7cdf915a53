/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Statements are prepared once and kept: `sql` is always a literal, its address is the key. */

#include "db/internal.h"

typedef struct Value {
        enum {
                VALUE_NULL,
                VALUE_INTEGER,
                VALUE_TEXT,
                VALUE_INVALID, /* does not fit: -ERANGE */
        } type;
        int64_t integer;
        const char *text;
} Value;

#define INTEGER(x) ((Value){ .type = VALUE_INTEGER, .integer = (int64_t) (x) })
#define INTEGER_OR_NULL(x, none) value_integer((int64_t) (x), (none))
#define USEC(x) value_usec((x), false)
#define USEC_OR_NULL(x) value_usec((x), true)
#define TEXT(x) value_text(x) /* NULL is NULL */

static inline Value value_text(const char *s) {
        return (Value){ .type = s ? VALUE_TEXT : VALUE_NULL, .text = s };
}

static inline Value value_integer(int64_t x, int64_t none) {
        return (Value){ .type = x == none ? VALUE_NULL : VALUE_INTEGER, .integer = x };
}

static inline Value value_usec(uint64_t usec, bool zero_is_null) {
        if (usec > INT64_MAX)
                return (Value){ .type = VALUE_INVALID };
        return (Value){ .type = usec == 0 && zero_is_null ? VALUE_NULL : VALUE_INTEGER, .integer = (int64_t) usec };
}

#define VALUES(...) (const Value[]){ __VA_ARGS__ }, ELEMENTSOF(((const Value[]){ __VA_ARGS__ }))

/* Runs a write within the open transaction. Returns how many rows it changed, or a negative errno (noted by db_fail()). */
int statement_run(Db *db, const char *sql, const Value *values, size_t n_values);

/* The same for a write that must change a row: -ENOENT if it changed none. Returns 0. */
int statement_run_one(Db *db, const char *sql, const Value *values, size_t n_values);

/* The same for a write with RETURNING: 0 with the first column of its one row, -ENOENT without a row. */
int statement_run_returning(Db *db, const char *sql, const Value *values, size_t n_values, int64_t *ret);

/* Binds a query for statement_step(). A statement that is still being walked is a caller's bug (assert). The texts among the
 * values must live until statement_done(). */
int statement_select(Db *db, const char *sql, const Value *values, size_t n_values, sqlite3_stmt **ret);

/* The same for an `sql` made at run time: prepared now, to be freed by sqlite3_finalize(). */
int statement_prepare(Db *db, const char *sql, const Value *values, size_t n_values, sqlite3_stmt **ret);

/* 1: a row, its columns readable until the next step; 0: no more rows; negative errno. */
int statement_step(Db *db, sqlite3_stmt *statement);

/* All rows' first column, so that a walk over rows that its handler may change holds no statement. The caller frees *ret. */
int statement_read_ids(Db *db, const char *sql, int64_t **ret, size_t *ret_n);

/* Makes the statement ready for its next use; for _cleanup_(). */
static inline void statement_done(sqlite3_stmt **statement) {
        if (!*statement)
                return;
        (void) sqlite3_reset(*statement);
        (void) sqlite3_clear_bindings(*statement);
}

static inline void statement_finalize(sqlite3_stmt **statement) {
        (void) sqlite3_finalize(*statement);
}

/* 0, or -ENOMEM if reading a column of the current row ran out of memory and gave NULL. */
int statement_check(Db *db);

static inline const char *column_text(sqlite3_stmt *statement, int column) {
        return (const char *) sqlite3_column_text(statement, column);
}

static inline int64_t column_integer(sqlite3_stmt *statement, int column, int64_t none) {
        return sqlite3_column_type(statement, column) == SQLITE_NULL ? none : sqlite3_column_int64(statement, column);
}
