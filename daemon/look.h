/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* A look at who has groups open, apart from any operation: by a worker of its own, since looking may block and the operation's
 * own worker may hang with every thread it has. It reads only, and has no row. */

#include "daemon/holding.h"
#include "host/worker.h"

typedef struct Look Look;

/* Called once: what was found (which it may take over: then it is left empty), or a negative errno and what was found until
 * then. May free the look. */
typedef void (*look_done_t)(HoldingList *found, int error, void *userdata);

/* Starts it. Returns 0 or a negative errno. Freeing it, at any time, ends it. */
int look_new(sd_event *event, const WorkerLauncher *launcher, const uint32_t *groups, size_t n_groups, look_done_t done, void *userdata, Look **ret);
Look *look_free(Look *look);
DEFINE_CLEANUP(Look *, look_free)
