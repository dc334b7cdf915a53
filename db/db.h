/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The daemon's one SQLite database: WAL, synchronous=FULL, STRICT tables, foreign keys, one writer (a lock file "PATH.lock"
 * beside it keeps a second daemon out, and a killed one leaves nothing locked). Readers like sqlite3 run by root work while
 * the daemon does. All SQL of the project is in this folder; the views people may rely on are in db/schema.h. */

#include "base/macro.h"

typedef struct Db Db;

typedef enum DbProblem {
        DB_OK,
        DB_PROBLEM_UNREACHABLE,    /* the directory or file cannot be opened or created */
        DB_PROBLEM_UNSAFE,         /* not a regular file, more than one link, owned by somebody else, or open to others; or its
                                    * directory can be written by others. Nothing is repaired: who could write it may have done so */
        DB_PROBLEM_NOT_A_DATABASE, /* some other file */
        DB_PROBLEM_FOREIGN,        /* a SQLite database of another program (application_id) */
        DB_PROBLEM_NEWER,          /* written by a newer assignd: user_version is above ours */
        DB_PROBLEM_DAMAGED,        /* truncated or corrupt (quick_check, foreign_key_check), or a WAL without its database */
        DB_PROBLEM_READ_ONLY,
        DB_PROBLEM_IN_USE, /* another daemon has it, or somebody keeps it locked for more than 2 s */
        _DB_PROBLEM_MAX,
} DbProblem;

/* What is wrong and what to do about it, for the log: "is open to others or ..." continues "the database PATH ". */
const char *db_problem_to_string(DbProblem problem);

/* Opens, checks and migrates the database; where there is none, or an empty file, a new one with mode 0600 takes its place
 * in one rename. Returns 0 with *ret_problem DB_OK and *ret set; 0 with another problem, *ret NULL and the file exactly as it
 * was; or an unexpected errno: -EINVAL for a boot_id that is not 32 hex digits or a path without a file name, -ENOMEM, -ENOSPC,
 * -EIO. `boot_id` and the times of rows come from the caller, so that this folder has no clock. */
int db_open(const char *path, const char *boot_id, Db **ret, DbProblem *ret_problem);
Db *db_close(Db *db);
DEFINE_CLEANUP(Db *, db_close)

const char *db_boot_id(const Db *db);

/* A transaction; beginning twice is a caller's bug (assert). db_begin takes the write lock. Every db_* function that writes
 * asserts that one is open. After an error of any of them db_rollback() is the only way on: further writes of the transaction
 * and db_commit() return that first error again. db_commit() that fails has rolled back (after -EIO, a power loss in the same
 * moment may still bring the transaction back).
 * Errors: -ENOSPC disk, quota or file size limit full, -EROFS read-only, -EIO, -EBUSY somebody (sqlite3 run by root) held the
 * write lock for more than 2 s, -ENOMEM, -EUCLEAN damaged, -E2BIG a value over 8 MiB; of single functions also -EEXIST (a row that
 * may exist once), -ENOENT (a row that must exist) and -EINVAL (a word or JSON text that the schema refuses). */
int db_begin(Db *db);
int db_commit(Db *db);
void db_rollback(Db *db);

/* Rolls back at the end of a scope if the transaction is still open. */
static inline void db_transaction_done(Db **db) {
        if (*db)
                db_rollback(*db);
}
bool db_in_transaction(const Db *db);

/* Whether writes can succeed as far as is known: false after any access failed with -ENOSPC, -EROFS, -EIO or -EUCLEAN, until
 * db_probe() finds it mended or, but for -EUCLEAN, a transaction with changes is committed. */
bool db_is_healthy(const Db *db);

/* Commits a write that changes nothing (and, after -EUCLEAN, checks the whole file). Not within a transaction. Returns 0 and
 * makes db_is_healthy() true, or the error as above. */
int db_probe(Db *db);

/* Moves the WAL into the database, truncates it and gives cached memory back; for idle moments, never waits for others. -EBUSY: a reader's transaction is in the
 * way, nothing is lost. Not within a transaction. */
int db_checkpoint(Db *db);
