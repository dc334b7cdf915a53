/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The daemon's one SQLite database: WAL, synchronous=FULL, STRICT tables, foreign keys, one writer (an exclusive lock file
 * beside it keeps a second daemon out). All SQL of the project is in this folder. */

#include "base/macro.h"

typedef struct Db Db;

typedef enum DbProblem {
        DB_OK,
        DB_PROBLEM_UNREACHABLE,    /* the directory or file cannot be opened or created */
        DB_PROBLEM_UNSAFE,         /* not a regular file, more than one link, owned by somebody else, or open to others */
        DB_PROBLEM_NOT_A_DATABASE, /* some other file */
        DB_PROBLEM_FOREIGN,        /* a SQLite database of another program (application_id) */
        DB_PROBLEM_NEWER,          /* written by a newer assignd: user_version is above ours */
        DB_PROBLEM_DAMAGED,        /* truncated or corrupt (quick_check, foreign_key_check) */
        DB_PROBLEM_READ_ONLY,
        DB_PROBLEM_IN_USE,         /* another daemon has it */
        _DB_PROBLEM_MAX,
} DbProblem;

/* One sentence for the log. */
const char *db_problem_to_string(DbProblem problem);

/* Opens (creating it with mode 0600 where missing), checks and migrates the database. Returns 0 with *ret_problem DB_OK and
 * *ret set; 0 with another problem, *ret NULL and the file exactly as it was; or -ENOMEM and the like. `boot_id` (32 hex
 * digits) and the times of rows come from the caller, so that this folder has no clock. */
int db_open(const char *path, const char *boot_id, Db **ret, DbProblem *ret_problem);
Db *db_close(Db *db);
DEFINE_CLEANUP(Db *, db_close)

const char *db_boot_id(const Db *db);

/* A transaction; beginning twice is a caller's bug (assert). db_begin takes the write lock. Every db_* function that writes
 * asserts that one is open. After an error, db_rollback() is the only way on; db_commit() that fails has rolled back.
 * Errors: -ENOSPC disk full, -EROFS read-only, -EIO, -EBUSY somebody (sqlite3 run by root) held the lock for more than
 * 2 s, -ENOMEM, -EUCLEAN damaged. */
int db_begin(Db *db);
int db_commit(Db *db);
void db_rollback(Db *db);

/* Rolls back at the end of a scope if the transaction is still open. */
static inline void db_transaction_done(Db **db) {
        if (*db)
                db_rollback(*db);
}
bool db_in_transaction(const Db *db);

/* Whether writes can succeed as far as is known: false after a write failed with -ENOSPC, -EROFS, -EIO or -EUCLEAN, until
 * db_probe() finds it mended. */
bool db_is_healthy(const Db *db);
int db_probe(Db *db);

/* Truncates the WAL when idle. */
int db_checkpoint(Db *db);
