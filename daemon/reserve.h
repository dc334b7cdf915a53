/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "daemon/manager.h"

/* The reservations an unreserve is about; the array is the caller's, its items the manager's. */
typedef struct UnreserveSet {
        Reservation **items;
        size_t n_items;
} UnreserveSet;

void unreserve_set_done(UnreserveSet *set);

/* What manager_unreserve() would do now: the reservations that have the targets (also a device that is not there any more), and the plan
 * or the refusal, on devices looked at afresh. `request` has passed request_check(). Returns 0 or a negative errno. (What
 * manager_reserve() would do is claim_plan().) */
int unreserve_plan(Manager *manager, const Request *request, UnreserveSet *ret_set, PlanResult *result);
