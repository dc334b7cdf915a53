/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What the policy says of a request. The daemon's own (recovery, the end of a lease) ask nobody. */

#include "daemon/manager.h"

/* Appends policy-denied for each endpoint of the groups that the request's caller may not have for its verb, and, overridable, for each that is
 * protected, and where no policy could be read. Returns 0 or -ENOMEM. */
int permit_groups(const Manager *manager, const Request *request, Group *const *groups, size_t n_groups, BlockerList *blockers);

/* The same for what somebody holds already: the holder itself (its uid) may always; anybody else only whom no rule denies it and polkit was
 * asked about (Caller.asked), whatever the rules allow: who may have a device may not for that reason take it from somebody. */
int permit_assignment(const Manager *manager, const Request *request, const Assignment *assignment, BlockerList *blockers);

int permit_reservation(const Manager *manager, const Request *request, const Reservation *reservation, BlockerList *blockers);

/* Appends no-reset for each endpoint of the group that the policy, or the daemon's configuration, wants reset between owners and that the kernel has no
 * way to reset. Asked of the daemon's own requests as well. Returns 0 or -ENOMEM. */
int permit_unreset(const Manager *manager, const Group *group, BlockerList *blockers);

/* The device as the policy sees it. All is borrowed. */
PolicyDevice permit_see_device(const Manager *manager, const Device *device);

/* The label of the request's owner, and policy-denied if the caller may not claim it; see owner_label(). */
int permit_label(const Manager *manager, const Request *request, const char **ret_label, BlockerList *blockers);
