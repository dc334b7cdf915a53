/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* One row of the audit trail a request, made from what the daemon knows of it. */

#include "daemon/leftover.h"
#include "daemon/operation.h"
#include "policy/drift.h"

/* A request that was refused before any operation began, in a transaction of its own. `groups` and `devices` are what it
 * came to (addresses; NULL: nothing). Returns 0 or a negative errno. */
int audit_refusal(Db *db, const Request *request, char *const *devices, const uint32_t *groups, size_t n_groups, const Refusal *refusal);

/* An operation that has ended, inside the transaction that ends it. */
int audit_operation(Db *db, const Operation *operation, char *const *devices);

/* An operation of a daemon before us that was closed as interrupted, inside an open transaction. */
int audit_interrupted(Db *db, const Leftover *leftover, const char *message);

/* A drift of what `keeper` has (an assignment's owner), inside an open transaction: a row of verb "drift" whose message begins with the code. `foreign`: the manager
 * whose doing it may be; NULL: none is known. */
int audit_drift(Db *db, const char *keeper, uint64_t assignment, const Drift *drift, const char *foreign);

/* A label that is set, or taken away, inside an open transaction. */
int audit_label(Db *db, const Request *request, char *const *devices, uint32_t group);

/* A reload of the policy that put another one in force, or was refused, in a transaction of its own: a row of verb "reload". */
int audit_reload(Db *db, const Caller *caller, bool is_refused, const char *message);

/* What became of a reservation without an operation (a reboot), inside an open transaction. */
int audit_reservation(Db *db, Verb verb, char *const *devices, const char *message);

/* The end of an assignment without an operation (a reboot), inside an open transaction. */
int audit_end(Db *db, const char *owner, uint64_t assignment, char *const *devices, const uint32_t *groups, size_t n_groups,
              const char *message);
