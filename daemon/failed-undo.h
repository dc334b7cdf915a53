/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What an undo could not bring back is neither the host's nor an owner's: its group is quarantined. */

#include "daemon/manager.h"

/* Quarantines each group of the records in which a step of the undo failed (any step, with `all_steps`: a recovery is an undo as a whole) and
 * a device is there that is not as recorded: in memory, and as a row inside the open transaction, which may be tried again. Returns 0
 * or a negative errno. */
int failed_undo_quarantine(Manager *manager, const Operation *operation, const RecordList *records, bool all_steps);
