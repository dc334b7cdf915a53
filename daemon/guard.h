/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* A device that appears in a held group must not get a host driver: its driver_override is set at once and it is bound to its VFIO driver,
 * by an operation of verb `guard`; one that was not there when the group was taken gets a record, so that it is given back with it. */

#include "daemon/keeper.h"

/* Whether `device`, which has just appeared, is to be guarded: an endpoint of a group that a keeper has (a recorded member of it is there),
 * unrecorded or the recorded one again, that no host driver was faster to take. */
bool guard_is_needed(const Manager *manager, const Device *device);

/* Begins the operation. -EBUSY: another one works on the group: later. Else 0, or a negative errno. */
int guard_begin(Manager *manager, const PciAddress *address);
