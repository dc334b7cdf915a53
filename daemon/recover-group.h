/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "daemon/manager.h"

/* What manager_recover() would do now, on devices looked at afresh: `result` (empty) gets what differs and the plan, or the refusal;
 * *ret_joined records of the devices that joined held groups without one, to be given to their keepers. `request` has passed request_check().
 * Returns 0 or a negative errno. */
int recover_group_plan(Manager *manager, const Request *request, RecordList *ret_joined, PlanResult *result);
