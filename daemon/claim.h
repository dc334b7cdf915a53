/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Taking whole groups off the host, for an owner or for a reservation: what keeps them from it, and the steps. */

#include "daemon/manager.h"

/* What manager_assign() or manager_reserve() (request->verb) would do now, on devices looked at afresh: fills `result` (empty) with the
 * plan or the refusal, and *ret_records with the devices as they are; a reserve leaves out the groups that are reserved already.
 * `request` has passed request_check(). Returns 0 or a negative errno. */
int claim_plan(Manager *manager, const Request *request, RecordList *ret_records, PlanResult *result);

/* Appends every blocker of the group: whether it is viable, its state, and whether it could be given back. */
int claim_check_group(const Manager *manager, const Group *group, BlockerList *blockers);

/* The steps that take the recorded devices off the host (none: no steps), with the VFIO driver's module where the kernel lacks it. */
int claim_plan_steps(const Manager *manager, const RecordList *records, Plan *ret);
