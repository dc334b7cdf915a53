/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Groups that are closed until an administrator acts: after a drift that endangered their isolation, and after an undo that failed. A
 * group is known by its members' addresses, since numbers are reused. */

#include "db/db.h"
#include "policy/plan.h"

typedef struct Quarantine {
        uint64_t id; /* never reused; 0 until journalled */
        char *code;  /* that of a drift, or QUARANTINE_FAILED_UNDO */
        char *detail;
        uint64_t assignment; /* 0: none */
        uint64_t operation;  /* 0: none */
        uint64_t since_usec; /* realtime */
        RecordList records;  /* the members, as they were before assignd took them */
} Quarantine;

#define QUARANTINE_FAILED_UNDO "failed-undo"

/* Of the members of `group` that have a record. Returns 0 or -ENOMEM. */
int quarantine_new(const char *code, const char *detail, const RecordList *records, uint32_t group, Quarantine **ret);

/* The endpoints of the group (NULL: does nothing) that have no record become members as they are now: what joined a group keeps it closed
 * also when the recorded ones are gone. Returns 0 or -ENOMEM. */
int quarantine_add_strangers(Quarantine *quarantine, const Group *group);
Quarantine *quarantine_free(Quarantine *quarantine);
DEFINE_CLEANUP(Quarantine *, quarantine_free)

/* Whether a device of the group is a member. */
bool quarantine_has_group(const Quarantine *quarantine, const Group *group);

/* Both inside an open transaction; the first gives it its id. */
int quarantine_journal_begin(Db *db, Quarantine *quarantine);
int quarantine_journal_end(Db *db, const Quarantine *quarantine, uint64_t now_usec, const char *reason);

/* Those that have not ended, ordered by id, owned by the table. */
typedef struct QuarantineTable {
        Quarantine **items;
        size_t n_items;
} QuarantineTable;

void quarantine_table_done(QuarantineTable *table);
int quarantine_table_load(QuarantineTable *table, Db *db);
/* Takes it over when it returns 0; -ENOMEM else. */
int quarantine_table_add(QuarantineTable *table, Quarantine *quarantine);
/* The oldest one of the group, or NULL. */
const Quarantine *quarantine_table_find_group(const QuarantineTable *table, const Group *group);
/* Frees all of the group. */
void quarantine_table_drop_group(QuarantineTable *table, const Group *group);
