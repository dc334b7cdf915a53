/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Labels of this host's devices: an administrator's, which are rows, and the policy's. */

#include "daemon/manager.h"

/* The driver that is the host's for this device: what the oldest record of somebody who keeps it says, else what it is on. Borrowed. */
const char *manager_host_driver(const Manager *manager, const Device *device);

DeviceLabel manager_device_label(const Manager *manager, const Device *device);

/* The common label of the group's endpoints; see group_label(). */
int manager_group_label(const Manager *manager, const Group *group, const char **ret, BlockerList *blockers);

/* Appends label-conflict and label-mismatch of the groups for an owner with this label (NULL: none). Returns 0 or -ENOMEM. */
int manager_check_labels(const Manager *manager, const char *owner_label, Group *const *groups, size_t n_groups, BlockerList *blockers);

/* Reads the rows. */
int manager_load_labels(Manager *manager);
