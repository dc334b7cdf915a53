/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What the files of recovery share; nobody else includes it. */

#include "daemon/recover.h"

#define REASON_REBOOT "The host was rebooted"

/* Begins the planned operation of the recovery (taken over in any case); the daemon is not ready before it has ended or is stuck. A
 * refusal leaves an audit row where its kind does. Returns 0 or a negative errno. */
int recovery_submit(Recovery *recovery, Operation **operation, Refusal *ret_refusal);

/* For OperationOwner of such an operation: leftovers of its groups are closed in the transaction that begins it; what else waits for
 * these groups begins when it has ended. */
int recovery_journal_begin(Operation *operation, void *userdata);
void recovery_operation_ended(Operation *operation, void *userdata);
void recovery_operation_changed(Operation *operation, bool stuck_changed, void *userdata);

bool recovery_awaits_any_group(const Recovery *recovery, const uint32_t *groups, size_t n_groups);
