/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What a daemon before us left: the kernel's state is the truth, the journal the intent.
 *
 *   assignment, operation      same boot                                 another boot
 *   active, none open          stays as it is                            ended: drivers and overrides did not survive
 *   assigning, assign open     given back, then undone                   undone
 *   releasing, release open    given back, then ended                    ended
 *   active, open open          stays; the open is closed as interrupted  ended
 *
 * (Of reservations: see daemon/recover-reservation.h.) A leftover worker of the same boot is waited for first (without blocking anybody else): only when its last write has
 * returned does the tree tell the truth. Its groups are closed meanwhile. */

#include "daemon/manager.h"

typedef struct Recovery Recovery;

/* Loads assignments and open operations, ends those of another boot, and begins to wait for leftover workers. Before the first
 * look at the host, since that must not touch what such a worker holds. Returns 0 or a negative errno (logged). */
int recovery_load(Manager *manager);

/* Begins what is to be given back; observer.ready is called from the event loop once everything that does not wait for a
 * leftover worker is done. Returns 0 or a negative errno (logged). */
int recovery_start(Manager *manager);
Recovery *recovery_free(Recovery *recovery);
DEFINE_CLEANUP(Recovery *, recovery_free)

/* Whether a leftover worker still holds the group; false for NULL. */
bool recovery_awaits_group(const Recovery *recovery, uint32_t number);

/* The same for a device of an assignment or reservation. */
bool recovery_awaits_device(const Recovery *recovery, const PciAddress *address);

/* How many leftover workers still run; 0 for NULL. */
size_t recovery_count_awaited(const Recovery *recovery);

/* Appends the blocker `stuck` for such a group, with who holds it up as far as that is known. Returns 0 or -ENOMEM. */
int recovery_add_blocker(const Recovery *recovery, uint32_t number, BlockerList *blockers);
