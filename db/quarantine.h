/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Groups that nobody may have until an administrator has acted, as their members' records. */

#include "db/record.h"

typedef struct DbQuarantine {
        int64_t id;         /* never reused */
        const char *code;   /* that of a drift, or "failed-undo" */
        const char *detail;
        int64_t assignment; /* 0: none */
        int64_t operation;  /* 0: none */
        uint64_t since_usec;
} DbQuarantine;

/* Both need an open transaction. Strings are copied. Ending one that does not exist or has ended is -ENOENT. */
int db_quarantine_insert(Db *db, const DbQuarantine *quarantine, const DbRecord *records, size_t n_records, int64_t *ret_id);
int db_quarantine_end(Db *db, int64_t id, uint64_t ended_usec, const char *end_reason);

/* Every quarantine that has not ended, oldest first, its records ordered by address; as db_assignment_foreach_open(). */
typedef int (*db_quarantine_handler_t)(const DbQuarantine *quarantine, const DbRecord *records, size_t n_records, void *userdata);
int db_quarantine_foreach_open(Db *db, db_quarantine_handler_t handler, void *userdata);
