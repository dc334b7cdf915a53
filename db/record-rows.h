/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Reading and ending records, for the files of this folder that keep them. */

#include "db/record.h"
#include "db/statement.h"

typedef struct RecordRows {
        DbRecord *items; /* ordered by address; they own their strings */
        size_t n_items;
} RecordRows;

void record_rows_done(RecordRows *rows);

/* All records of `id`, appended to *rows, which is to be done with whatever comes back: 0 or a negative errno. */
int record_read(Db *db, DbRecordKeeper keeper, int64_t id, RecordRows *rows);

/* The devices of `id` are held no longer. Returns 0 or a negative errno. */
int record_let_go(Db *db, DbRecordKeeper keeper, int64_t id);

/* Removes the records of `id`, for others in their place. Returns 0 or a negative errno. */
int record_remove(Db *db, DbRecordKeeper keeper, int64_t id);
