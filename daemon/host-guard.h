/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What stands between a group and an owner on this host: looked at where a group is asked for (why, show, plan, assign), and the
 * cheap half of it, which facts that are there already tell, also where groups are listed. */

#include "daemon/manager.h"

/* Reads anew what is true of the host as a whole. Returns 0 or -ENOMEM (what was known stays). */
int host_guard_refresh(Manager *manager);

/* Appends what facts tell: viability_check() and guard_check_exposure(). Reads nothing. Returns 0 or -ENOMEM. */
int host_guard_check_group(const Manager *manager, const Group *group, BlockerList *blockers);

/* Appends what the host does with the groups' endpoints now (guard_check_uses()), and no-reset
 * (permit_unreset()). Reads what host/in-use.h says, once for all of them. Returns 0, or a negative errno of ours. */
int host_guard_check_use(const Manager *manager, Group *const *groups, size_t n_groups, BlockerList *blockers);
