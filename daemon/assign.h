/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "daemon/manager.h"

/* What manager_assign() would do now, on devices looked at afresh: fills `result` (empty) with the plan or the refusal, and *ret_records with the devices
 * as they are. `request` has passed request_check(). Returns 0 or a negative errno. */
int assign_plan(Manager *manager, const Request *request, RecordList *ret_records, PlanResult *result);
