/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What differed from what assignd left, each difference once. */

#include "db/db.h"

typedef struct DbDrift {
        uint64_t at_usec;
        const char *code;
        uint32_t group;
        const char *address; /* NULL: the group as a whole */
        const char *detail;
        int64_t assignment;  /* 0: none */
        int64_t reservation; /* 0: none */
        const char *manager; /* another manager of devices that has to do with it; NULL: none is known */
        int64_t quarantine;  /* 0: none */
} DbDrift;

/* Needs an open transaction. Strings are copied. */
int db_drift_insert(Db *db, const DbDrift *drift);

/* What was told of keepers that have not ended, in this boot, oldest first; strings are borrowed for the call. A negative return
 * of the handler ends the walk and is returned. */
typedef int (*db_drift_handler_t)(const DbDrift *drift, void *userdata);
int db_drift_foreach_current(Db *db, db_drift_handler_t handler, void *userdata);
