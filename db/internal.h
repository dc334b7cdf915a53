/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What the files of this folder share; nobody else includes it. */

#include <sqlite3.h>

#include "db/db.h"

#define BOOT_ID_LENGTH 32U
#define STATEMENTS_MAX 128U
#define BUSY_TIMEOUT_MSEC 2000

struct Db {
        sqlite3 *sqlite;
        int lock_fd;
        char boot_id[BOOT_ID_LENGTH + 1];
        int64_t boot;        /* our row of boots; 0: not known, or not committed yet */
        bool in_transaction;
        sqlite3_int64 changes; /* rows changed on this connection when the transaction began */
        int error;           /* the first of this transaction, 0 or negative errno */
        int sickness;        /* 0, or what db_is_healthy() is false for */
        struct {
                const char *sql;
                sqlite3_stmt *handle;
        } statements[STATEMENTS_MAX];
        size_t n_statements;
};

/* The negative errno for a SQLite result code. Callers set errno to 0 before the call that gave it. */
int sqlite_to_errno(sqlite3 *sqlite, int code);

/* Notes a negative errno in the transaction and in the health, and returns it. */
int db_fail(Db *db, int error);

/* The id of this boot's row, made (as first seen at `now_usec`) if it is not there. Needs an open transaction. */
int db_boot_row(Db *db, uint64_t now_usec, int64_t *ret);
