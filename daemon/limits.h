/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* How much one caller (uid) may have at the same time; what the daemon does by itself is not counted. Far above what a manager of many
 * machines needs: these keep one caller from using up what all share. */

#include "daemon/manager.h"

#define LIMIT_OPERATIONS 256U
#define LIMIT_WAITING 128U
#define LIMIT_ASSIGNMENTS 4096U

/* Operations of all callers that the kernel does not answer, each of which costs a process that nobody can end. */
#define LIMIT_STUCK 32U

/* Whether `operation`, which is in the manager's list and was not begun, may be: REFUSAL_LIMITS_EXCEEDED if LIMIT_STUCK operations are stuck
 * (workers that an earlier daemon left included), whosever they are, if its caller has too many
 * operations that have not ended, or, for an assign, too many assignments. Returns 0 or -ENOMEM. */
int limits_check_operations(const Manager *manager, const Operation *operation, Refusal *refusal);

/* Whether one more of the caller's may wait: else `refusal` is replaced. Returns 0 or -ENOMEM. */
int limits_check_waiting(const Manager *manager, const Caller *caller, Refusal *refusal);
