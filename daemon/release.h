/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "daemon/manager.h"

/* The assignments a release is about; the array is the caller's, its items the manager's. */
typedef struct ReleaseSet {
        Assignment **assignments;
        size_t n_assignments;
} ReleaseSet;

void release_set_done(ReleaseSet *set);

/* What manager_release() would do now: the assignments of the owner, or those that hold the targets, and the plan or the
 * refusal, on devices looked at afresh. `request` has passed request_check(). Returns 0 or a negative errno. */
int release_plan(Manager *manager, const Request *request, ReleaseSet *ret_set, PlanResult *result);
