/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The VFIO nodes of what is assigned, for whoever may open them (Assignment.nodes):
 *
 *   assign    each node gets the access, in steps of the operation behind the binds, which make the nodes
 *   release   they become root's again, before the unbinds
 *   between   udev may apply rules of its own (a rule of the administrator, SELinux's contexts) to the event that the bind caused, or to any later
 *             one, and always after the kernel has made the node. So no rule of ours could have the last word, and none is installed: the
 *             daemon hears when udev is done with a node (host/udev-events.h), compares (this is drift, daemon/drift.h), and gives it again
 *             by an operation of its own (verb `grant`), a few times. */

#include "daemon/manager.h"
#include "policy/drift.h"

/* The access that the request comes to (request_get_node_access(), with what the daemon knows of the caller and the kernel): a refusal, *ret_wanted false,
 * or *ret. Returns 0 or a negative errno. */
int nodes_get_access(const Manager *manager, const Request *request, bool *ret_wanted, NodeAccess *ret, Refusal *refusal);

/* Puts into the records who may open the nodes now, where there are any: those of devices that are on a VFIO driver already. Returns 0 or -ENOMEM. */
int nodes_record(const Manager *manager, RecordList *records);

/* A remark on the operation that gave them: who may open them, or that the kernel has made none. */
void nodes_note(const Manager *manager, const Assignment *assignment, Operation *operation);

/* Appends node-changed for each node of the assignment that has another access than it should. Returns 0 or -ENOMEM. */
int nodes_find_drift(const Manager *manager, const Assignment *assignment, DriftList *list);

/* Begins the operation that gives an active assignment's nodes to whom it should again. -EBUSY: another one works on its groups or waits for them.
 * Else 0, or a negative errno. */
int nodes_grant(Manager *manager, uint64_t assignment);
