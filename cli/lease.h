/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Holding an assignment for as long as somebody wants it: until standard input ends, the parent process dies, or SIGINT,
 * SIGTERM or SIGHUP comes. */

#include "cli/request.h"

typedef struct Lease Lease;

/* Connects and begins to watch, before anything is assigned, so that no end is missed. */
int lease_new(Cli *cli, Lease **ret);
Lease *lease_free(Lease *lease);
DEFINE_CLEANUP(Lease *, lease_free)
#define _cleanup_lease_ _cleanup_(lease_freep)

/* Begins to watch for the end; `assigned` is borrowed until the lease is freed. From here on a signal ends the lease, not us. */
int lease_begin(Lease *lease, const Assigned *assigned);

/* Waits for the end, then releases the assignment, waiting as long as --timeout says; the lease's fd stays open meanwhile and
 * ends the assignment in any case when it is closed. Returns EXIT_CODE_DONE, EXIT_CODE_FAILED (said on stderr) if somebody else
 * released it before, or a negative number. */
int lease_hold(Lease *lease);
