/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The tables and views, and how a database of an older assignd becomes one of this.
 *
 * The views are a contract for people and tools; tables may change with any version. Their columns are words; every time is
 * there twice, as ISO 8601 UTC text with microseconds ("2026-11-17T09:30:00.000000Z", so text comparison is time comparison,
 * also with a prefix like '2026-11-17') and as microseconds since the epoch in a column of the same name with "_usec".
 *   audit_log            one row a request: at, verb, owner, uid, pid, caller, targets, devices, groups, outcome, error, message,
 *                        blockers, operation, assignment, boot_id, id; lists are separated by blanks, blockers by "; "
 *   assignment_history   one row a device of each assignment ever meant: assignment, owner, uid, label, address, role (wanted or
 *                        companion), group_number, ids, name, driver_before, override_before, vfio_driver, backend, lease, state,
 *                        since, until, end_reason, boot_id; state "undone" never had the device, "ended" had it and gave it back
 *   current_assignments  the same of those that have not ended
 *   reservation_history  one row a device of each reservation ever meant: reservation, uid, address, role, group_number, ids, name,
 *                        driver_before, override_before, vfio_driver, state, since, until, end_reason, boot_id (of the boot in
 *                        which it was last put into the kernel)
 *   current_reservations the same of those that have not ended
 *   device_history       one row an event of a device: address, at, event, detail, owner, uid
 *   group_history        one row an event of a group number: group_number, at, event, detail, owner, uid
 *   known_devices        one row an (address, identity) ever seen: address, ids, class, revision, name, group_number, present,
 *                        first_seen, last_seen (of a present device: the newest whole scan, uevents tell the rest)
 *   group_members        one row a stay of a member in a group: group_number, member, since, until (NULL: now); `until` is when
 *                        its end was noticed */

#include "db/internal.h"

#define SCHEMA_APPLICATION_ID 0x61736764U /* "asgd" */

/* One step to the next version: either `sql` or `function`, which returns 0 or a negative errno. */
typedef struct Migration {
        const char *sql;
        int (*function)(sqlite3 *sqlite);
} Migration;

/* The version this assignd writes: the number of its migrations. */
int32_t schema_version(void);

/* Brings the database to schema_version() in one transaction, doing nothing where it is already there. */
int schema_migrate(sqlite3 *sqlite);

/* The same with a table of one's own, which is append only: its length is the version. -ENOTSUP: the database is newer.
 * On an error nothing has changed. */
int schema_migrate_with(sqlite3 *sqlite, const Migration *migrations, size_t n_migrations);

/* Checks the whole file and all references in it. -EUCLEAN: damaged; else what kept the check from being made. */
int schema_check(sqlite3 *sqlite);

/* Runs SQL without rows or values: 0 or a negative errno. */
int schema_execute(sqlite3 *sqlite, const char *sql);

/* The first column of the first row of a query ("PRAGMA user_version"); -EUCLEAN without a row. */
int schema_read_integer(sqlite3 *sqlite, const char *sql, int64_t *ret);
