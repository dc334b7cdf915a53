/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What a request of somebody else than root means: what policy and polkit were asked about when it was let in. One that waits for its turn is
 * held to it, since nobody is asked again. */

#include "daemon/manager.h"

/* One text for all that counts: the devices (address, identity, label, the host's driver), what the policy says of each, and what other
 * users hold of what is asked for, or under the owner's name. Two texts are equal if and only if that is so. NULL for root and for the daemon itself, who
 * are not asked. Returns 0 or -ENOMEM; the caller frees *ret. */
int meaning_of_request(const Manager *manager, const Request *request, char **ret);
