/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Operations as rows. All of these need an open transaction and return 0 or the database's negative errno. */

#include "daemon/operation.h"

/* The operation itself, its groups, and all its steps as they stand: a new one (which gets its id), or one that waited and begins. */
int journal_insert(Operation *operation);

/* Steps added or changed since they were last written; mark them written with journal_clean() after the commit. */
int journal_update(Operation *operation);
void journal_clean(Operation *operation);

/* The operation's state; `finished_usec` if it has ended. */
int journal_set_state(Operation *operation);

/* Its worker, after a new one was started. */
int journal_set_worker(Operation *operation);
