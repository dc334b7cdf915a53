/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Who has what: assignments with their groups and, for each device, what it was before and must get back. */

#include "db/record.h"

typedef struct DbAssignment {
        int64_t id;        /* never reused */
        const char *owner;
        const char *state; /* "assigning" (meant, not yet held), "active", "releasing", "ended", "undone" */
        const char *label; /* NULL: none */
        const char *backend;
        bool lease;
        const char *node_access; /* who may open its nodes; NULL: root, and nothing is done about them */
        int64_t caller_uid;
        const char *boot_id; /* written from the Db */
        uint64_t created_usec;
        uint64_t ended_usec; /* 0: not yet */
        const char *end_reason; /* NULL: none */
} DbAssignment;

/* All that write need an open transaction. Strings are copied. Beside the errors of db/db.h: inserting gives -EEXIST for a device
 * that is named twice or that an assignment which has not ended holds; setting gives -ENOENT for an assignment that does not
 * exist or has ended, and -EINVAL unless ended_usec is 0 exactly in the states before "ended" and "undone". */
int db_assignment_insert(Db *db, const DbAssignment *assignment, const DbRecord *records, size_t n_records, int64_t *ret_id);
int db_assignment_set_state(Db *db, int64_t id, const char *state, uint64_t ended_usec, const char *end_reason);
/* Whether its last release (or the recovery of it) went beyond its unbinds: then all of them were proven, nobody can have a device of it open
 * any more, and there is no way back to its owner. 1, 0 or a negative errno. */
int db_assignment_has_let_go(Db *db, int64_t id);

int db_assignment_set_backend(Db *db, int64_t id, const char *backend);

/* Every assignment that has not ended (assigning, active, releasing), oldest first, its records ordered by address; strings
 * are borrowed for the call. The handler may change what it is told of, but not start the same walk. A negative return of it ends
 * the walk and is returned. */
typedef int (*db_assignment_handler_t)(const DbAssignment *assignment, const DbRecord *records, size_t n_records, void *userdata);
int db_assignment_foreach_open(Db *db, db_assignment_handler_t handler, void *userdata);
