/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/log.h"
#include "db/schema.h"
#include "db/statement.h"

const char *db_problem_to_string(DbProblem problem) {
        switch (problem) {
        case DB_OK:
                return "is in order";
        case DB_PROBLEM_UNREACHABLE:
                return "cannot be opened or created; its directory must exist and be accessible";
        case DB_PROBLEM_UNSAFE:
                return "is not a regular file with one link, owned by assignd's user and closed to others (chmod 0600; its directory not writable by others)";
        case DB_PROBLEM_NOT_A_DATABASE:
                return "is some other file, not a database; move it away";
        case DB_PROBLEM_FOREIGN:
                return "is the database of another program; move it away";
        case DB_PROBLEM_NEWER:
                return "was written by a newer assignd; install that version again";
        case DB_PROBLEM_DAMAGED:
                return "is damaged; restore it together with its -wal file from a backup, or move all of it away";
        case DB_PROBLEM_READ_ONLY:
                return "cannot be written: its file system or the file itself is read-only";
        case DB_PROBLEM_IN_USE:
                return "is in use by another assignd or locked by another program";
        case _DB_PROBLEM_MAX:
                break;
        }
        return "has an unknown problem";
}

/* `error` is errno after the call: SQLite 3.40 keeps its own copy of it for most failures, but not for those of a COMMIT. */
static int io_error_to_errno(sqlite3 *sqlite, int code, int error) {
        int kept = sqlite3_system_errno(sqlite);

        if (code == SQLITE_IOERR_NOMEM)
                return -ENOMEM;
        switch (kept != 0 ? kept : error) {
        case ENOSPC:
        case EDQUOT:
        case EFBIG:
                return -ENOSPC;
        case EROFS:
                return -EROFS;
        default:
                return -EIO;
        }
}

static int constraint_to_errno(int code) {
        switch (code) {
        case SQLITE_CONSTRAINT_UNIQUE:
        case SQLITE_CONSTRAINT_PRIMARYKEY:
        case SQLITE_CONSTRAINT_ROWID:
                return -EEXIST;
        case SQLITE_CONSTRAINT_FOREIGNKEY:
                return -ENOENT;
        case SQLITE_CONSTRAINT_TRIGGER:
                return -EPERM;
        default:
                return -EINVAL;
        }
}

int sqlite_to_errno(sqlite3 *sqlite, int code) {
        int error = errno;

        if (code != SQLITE_OK)
                log_debug("SQLite: %s (%d, errno %d): %s", sqlite3_errstr(code), code, error, sqlite3_errmsg(sqlite));
        switch (code & 0xff) {
        case SQLITE_OK:
        case SQLITE_ROW:
        case SQLITE_DONE:
                return 0;
        case SQLITE_FULL:
                return -ENOSPC;
        case SQLITE_READONLY:
                return -EROFS;
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
                return -EBUSY;
        case SQLITE_NOMEM:
                return -ENOMEM;
        case SQLITE_TOOBIG:
                return -E2BIG;
        case SQLITE_CONSTRAINT:
                return constraint_to_errno(code);
        case SQLITE_IOERR:
        case SQLITE_CANTOPEN:
                return io_error_to_errno(sqlite, code, error);
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
        case SQLITE_ERROR: /* all SQL is ours: it fails only where the schema is not */
        case SQLITE_SCHEMA:
                return -EUCLEAN;
        case SQLITE_MISMATCH:
                return -EINVAL;
        default:
                return -EIO;
        }
}

int db_fail(Db *db, int error) {
        if (db->in_transaction && db->error == 0)
                db->error = error;
        switch (error) {
        case -ENOSPC:
        case -EROFS:
        case -EIO:
        case -EUCLEAN:
                db->sickness = error;
                break;
        }
        return error;
}

static int db_execute(Db *db, const char *sql) {
        _cleanup_(statement_done) sqlite3_stmt *statement = NULL;
        int r;

        r = statement_select(db, sql, NULL, 0, &statement);
        if (r < 0)
                return r;
        r = statement_step(db, statement);
        return r < 0 ? r : 0;
}

int db_begin(Db *db) {
        int r;

        assert(!db->in_transaction);
        r = db_execute(db, "BEGIN IMMEDIATE");
        if (r < 0)
                return r;
        db->in_transaction = true;
        db->error = 0;
        db->changes = sqlite3_total_changes64(db->sqlite);
        return 0;
}

void db_rollback(Db *db) {
        if (!db->in_transaction)
                return;
        db->in_transaction = false;
        db->error = 0;
        db->boot = 0;
        if (!sqlite3_get_autocommit(db->sqlite))
                (void) db_execute(db, "ROLLBACK");
}

int db_commit(Db *db) {
        int r;

        assert(db->in_transaction);
        r = db->error < 0 ? db->error : db_execute(db, "COMMIT");
        if (r < 0) {
                db_rollback(db);
                return r;
        }
        db->in_transaction = false;
        if (db->sickness != -EUCLEAN && sqlite3_total_changes64(db->sqlite) != db->changes)
                db->sickness = 0; /* something was written, and is on the disk */
        return 0;
}

bool db_in_transaction(const Db *db) {
        return db->in_transaction;
}

const char *db_boot_id(const Db *db) {
        return db->boot_id;
}

bool db_is_healthy(const Db *db) {
        return db->sickness == 0;
}

int db_boot_row(Db *db, uint64_t now_usec, int64_t *ret) {
        int64_t boot;
        int r;

        assert(db->in_transaction);
        if (db->boot == 0) {
                r = statement_run_returning(db, "INSERT INTO boots(boot_id, first_usec) VALUES(?, ?)"
                                            " ON CONFLICT(boot_id) DO UPDATE SET boot_id = excluded.boot_id RETURNING id",
                                            VALUES(TEXT(db->boot_id), USEC(now_usec)), &boot);
                if (r < 0)
                        return r;
                db->boot = boot;
        }
        *ret = db->boot;
        return 0;
}

int db_probe(Db *db) {
        int r;

        assert(!db->in_transaction);
        r = db->sickness == -EUCLEAN ? schema_check(db->sqlite) : 0;
        if (r < 0)
                return db_fail(db, r);
        r = db_begin(db);
        if (r < 0)
                return r;
        r = statement_run(db, "INSERT INTO boots(id, boot_id, first_usec) VALUES(-1, hex(randomblob(16)), 0)", NULL, 0);
        if (r >= 0)
                r = statement_run_one(db, "DELETE FROM boots WHERE id = -1", NULL, 0);
        if (r < 0) {
                db_rollback(db);
                return r;
        }
        r = db_commit(db);
        if (r < 0)
                return r;
        db->sickness = 0;
        return 0;
}

int db_checkpoint(Db *db) {
        int code;

        assert(!db->in_transaction);
        (void) sqlite3_busy_timeout(db->sqlite, 0);
        errno = 0;
        code = sqlite3_wal_checkpoint_v2(db->sqlite, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
        (void) sqlite3_busy_timeout(db->sqlite, BUSY_TIMEOUT_MSEC);
        (void) sqlite3_db_release_memory(db->sqlite);
        return code == SQLITE_OK ? 0 : db_fail(db, sqlite_to_errno(db->sqlite, code));
}
