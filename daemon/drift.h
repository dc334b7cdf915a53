/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Looks whether what keepers have is still as assignd left it: after every change of the host that is heard of, after every operation,
 * and every now and then, since no event tells of a changed driver_override. Each difference is said once (a row, the observer, the
 * log, the audit trail) and never repaired silently, nodes that are open to others
 * than they were given to (daemon/nodes.h) are given again; one that endangers the isolation closes its group (daemon/quarantine.h). A group
 * that an operation works on is looked at when that has ended. A device that appears in a held group is guarded (daemon/guard.h). */

#include "daemon/manager.h"
#include "policy/drift.h"

typedef struct DriftWatch DriftWatch;

/* Loads what was said in this boot. Returns 0 or a negative errno. */
int drift_watch_new(Manager *manager, DriftWatch **ret);
DriftWatch *drift_watch_free(DriftWatch *watch);
DEFINE_CLEANUP(DriftWatch *, drift_watch_free)

/* From now on: what was recovered is as it should be. */
void drift_watch_start(DriftWatch *watch);

/* Looks soon, from the event loop, at what these groups' keepers have. NULL is ignored. */
void drift_watch_changed(DriftWatch *watch, const uint32_t *groups, size_t n_groups);

/* udev is done with some VFIO node: looks soon. NULL is ignored. */
void drift_watch_nodes(DriftWatch *watch);

/* The device has just appeared: every keeper may have a record of its address. NULL is ignored. */
void drift_watch_appeared(DriftWatch *watch, const PciAddress *address);
