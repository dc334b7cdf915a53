/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Whose turn it is: a request becomes an operation that begins at once, is refused at once, or waits in the queue and is asked again,
 * in the order of arrival, whenever something that it waits for has ended. What it was refused for then is its outcome. */

#include "daemon/manager.h"

/* Whether the refusal is for nothing but what the end of other operations may take away: every group it names is at work or waited
 * for. What such a group is now (owned, reserved) is not what it will be. */
bool turn_may_come(const Refusal *refusal);

/* Lets those that wait be asked again, a little later from the event loop. */
void turn_schedule(Manager *manager);

/* Ends one that waits with `refusal` (taken over): its row and an audit row follow, and whoever watches it hears of it. */
void turn_refuse(Manager *manager, Operation *operation, Refusal *refusal);
