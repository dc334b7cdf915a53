/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* A lease is an fd: when its other end is closed for the last time, however that came about, the assignment ends. */

#include "daemon/manager.h"

typedef struct Lease Lease;

/* Watches *fd (our end, taken over) for the assignment. Returns 0 or a negative errno. */
int lease_new(Manager *manager, uint64_t assignment, int *fd, Lease **ret);
Lease *lease_free(Lease *lease);
DEFINE_CLEANUP(Lease *, lease_free)

uint64_t lease_assignment(const Lease *lease);

/* The other end was closed, and the release that follows from it has not begun yet. */
bool lease_has_ended(const Lease *lease);

/* Releases the assignment if the lease has ended and nothing else works on its groups; to be called again when an operation
 * ends. */
void lease_settle(Lease *lease);
