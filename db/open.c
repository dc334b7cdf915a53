/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "base/strutil.h"
#include "db/file.h"
#include "db/schema.h"

#define WAL_KEPT_BYTES "4194304"
#define CACHE_KIBIBYTES "8192" /* a first scan of 10,000 devices fits: pages that do not are written twice */

/* The values of https://www.sqlite.org/security.html, loosened to what our own SQL and rows need. */
static void limit(sqlite3 *sqlite) {
        static const struct {
                int id, value;
        } limits[] = {
                { SQLITE_LIMIT_LENGTH, 8 * 1024 * 1024 },  { SQLITE_LIMIT_SQL_LENGTH, 100000 },
                { SQLITE_LIMIT_COLUMN, 100 },              { SQLITE_LIMIT_EXPR_DEPTH, 50 },
                { SQLITE_LIMIT_COMPOUND_SELECT, 10 },      { SQLITE_LIMIT_VDBE_OP, 25000 },
                { SQLITE_LIMIT_FUNCTION_ARG, 10 },         { SQLITE_LIMIT_ATTACHED, 0 },
                { SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 500 }, { SQLITE_LIMIT_VARIABLE_NUMBER, 30 },
                { SQLITE_LIMIT_TRIGGER_DEPTH, 10 },        { SQLITE_LIMIT_WORKER_THREADS, 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(limits); i++)
                (void) sqlite3_limit(sqlite, limits[i].id, limits[i].value);
}

static int harden(sqlite3 *sqlite) {
        static const struct {
                int id, value;
        } settings[] = {
                { SQLITE_DBCONFIG_DEFENSIVE, 1 },
                { SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0 },
                { SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0 },
                { SQLITE_DBCONFIG_DQS_DML, 0 },
                { SQLITE_DBCONFIG_DQS_DDL, 0 },
                { SQLITE_DBCONFIG_ENABLE_FKEY, 1 },
                /* Until all is well, closing must not move a WAL into the file. */
                { SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1 },
        };

        for (size_t i = 0; i < ELEMENTSOF(settings); i++) {
                int found = -1, code = sqlite3_db_config(sqlite, settings[i].id, settings[i].value, &found);

                if (code != SQLITE_OK || found != settings[i].value)
                        return -EOPNOTSUPP;
        }
        limit(sqlite);
        return schema_execute(sqlite, "PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY;"
                              " PRAGMA cache_size = -" CACHE_KIBIBYTES ";");
}

/* *ret is NULL after an error. */
static int connect_file(const char *path, sqlite3 **ret) {
        sqlite3 *sqlite = NULL;
        int code, r;

        errno = 0;
        code = sqlite3_open_v2(path, &sqlite, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_EXRESCODE, NULL);
        r = code == SQLITE_OK ? harden(sqlite) : sqlite ? sqlite_to_errno(sqlite, code) : -ENOMEM;
        if (r < 0) {
                (void) sqlite3_close(sqlite);
                return r;
        }
        (void) sqlite3_busy_timeout(sqlite, BUSY_TIMEOUT_MSEC);
        *ret = sqlite;
        return 0;
}

static int create_file(const char *path) {
        _cleanup_free_ char *new_path = NULL;
        sqlite3 *sqlite = NULL;
        int r;

        r = file_create_new(path, &new_path);
        if (r != 0)
                return r;
        r = connect_file(new_path, &sqlite);
        if (r >= 0) {
                r = schema_migrate(sqlite);
                (void) sqlite3_close(sqlite);
        }
        if (r == 0)
                r = file_install(new_path, path);
        if (r != 0)
                (void) unlink(new_path);
        return r;
}

/* The header was looked at before, but a WAL may hold a newer one. */
static int check_content(sqlite3 *sqlite) {
        int64_t id, version;
        int r;

        r = schema_read_integer(sqlite, "PRAGMA application_id", &id);
        if (r < 0)
                return r;
        r = schema_read_integer(sqlite, "PRAGMA user_version", &version);
        if (r < 0)
                return r;
        if (id != SCHEMA_APPLICATION_ID)
                return DB_PROBLEM_FOREIGN;
        if (version > schema_version())
                return DB_PROBLEM_NEWER;
        if (sqlite3_db_readonly(sqlite, "main") != 0)
                return DB_PROBLEM_READ_ONLY;
        return schema_check(sqlite);
}

static int set_journal(sqlite3 *sqlite) {
        sqlite3_stmt *statement = NULL;
        bool wal = false;
        int64_t value;
        int code, r;

        errno = 0;
        code = sqlite3_prepare_v2(sqlite, "PRAGMA journal_mode = WAL", -1, &statement, NULL);
        if (code == SQLITE_OK)
                code = sqlite3_step(statement);
        if (code == SQLITE_ROW)
                wal = string_equal((const char *) sqlite3_column_text(statement, 0), "wal");
        (void) sqlite3_finalize(statement);
        if (code != SQLITE_ROW)
                return sqlite_to_errno(sqlite, code);

        r = schema_execute(sqlite, "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA journal_size_limit = " WAL_KEPT_BYTES ";");
        if (r < 0)
                return r;
        r = schema_read_integer(sqlite, "PRAGMA synchronous", &value);
        if (r < 0)
                return r;
        if (!wal || value != 2)
                return -EOPNOTSUPP;
        r = schema_read_integer(sqlite, "PRAGMA foreign_keys", &value);
        if (r < 0)
                return r;
        return value == 1 ? 0 : -EOPNOTSUPP;
}

static int open_checked(const char *path, Db *db) {
        bool missing;
        int r;

        r = file_lock(path, &db->lock_fd);
        if (r != 0)
                return r;
        r = file_check(path, &missing);
        if (r == 0 && missing)
                r = create_file(path);
        if (r != 0)
                return r;
        r = connect_file(path, &db->sqlite);
        if (r == 0)
                r = check_content(db->sqlite);
        if (r == 0)
                r = set_journal(db->sqlite);
        if (r == 0)
                r = schema_migrate(db->sqlite);
        if (r == 0)
                (void) sqlite3_db_config(db->sqlite, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
        return r;
}

static bool boot_id_is_valid(const char *s) {
        for (size_t i = 0; i < BOOT_ID_LENGTH; i++)
                if (hex_digit(s[i]) < 0)
                        return false;
        return s[BOOT_ID_LENGTH] == '\0';
}

/* What SQLite could not do, where there is a problem for it. */
static int problem_of_result(int r) {
        switch (r) {
        case -EUCLEAN:
                return DB_PROBLEM_DAMAGED;
        case -EROFS:
                return DB_PROBLEM_READ_ONLY;
        case -EBUSY:
                return DB_PROBLEM_IN_USE;
        default:
                return r;
        }
}

int db_open(const char *path, const char *boot_id, Db **ret, DbProblem *ret_problem) {
        _cleanup_(db_closep) Db *db = NULL;
        _cleanup_free_ char *real = NULL;
        int r;

        if (!boot_id_is_valid(boot_id))
                return -EINVAL;
        db = calloc(1, sizeof(Db));
        if (!db)
                return -ENOMEM;
        db->lock_fd = -EBADF;
        memcpy(db->boot_id, boot_id, BOOT_ID_LENGTH);

        r = file_resolve(path, &real);
        if (r == 0)
                r = problem_of_result(open_checked(real, db));
        if (r < 0)
                return r;
        *ret_problem = (DbProblem) r;
        *ret = r == DB_OK ? TAKE_PTR(db) : NULL;
        return 0;
}

Db *db_close(Db *db) {
        if (!db)
                return NULL;
        if (db->sqlite)
                db_rollback(db);
        for (size_t i = 0; i < db->n_statements; i++)
                (void) sqlite3_finalize(db->statements[i].handle);
        (void) sqlite3_close(db->sqlite);
        (void) safe_close(db->lock_fd);
        free(db);
        return NULL;
}
