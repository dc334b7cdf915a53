/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What can be done about an operation that somebody holds up: find out who, and say so. */

#include "daemon/operation.h"

/* Keeps what the step's look for holders found; says in the log whom a release waits for, or that not everybody could be seen.
 * Returns what the step's result is: 0, or a negative errno (-EBUSY: held, and not to be waited for). */
int stuck_note_holders(Operation *operation, size_t step, const WorkerAnswer *answer);

/* Appends the blocker `stuck` for a group of it, with who holds it up as far as that is known. Returns 0 or -ENOMEM. */
int stuck_add_blocker(const Operation *operation, uint32_t group, BlockerList *blockers);

/* Looks who holds the groups of an operation whose unbind has not returned; what is found goes into its `holdings` and the log,
 * and its owner hears of a change. Does nothing about an operation that is stuck at something else, or is being looked for. */
void stuck_look(Operation *operation);
